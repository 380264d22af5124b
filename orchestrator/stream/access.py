"""Who may follow the stream, until when, and from where: what a request to it asks for."""

import time
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.http import StreamingHttpResponse

from orchestrator.stream.feeds import EventFilter, Position

#: Key in a request's ``META``: the stream's own process serves the request. No header has such a key.
SERVED_HERE: Final = "orchestrator.stream.served_here"


@dataclass(frozen=True)
class Access:
    """The right of a user to follow the stream.

    Args:
        user_id: the user.
        password_fingerprint: with another password the right ends.
        expires_at: when the token expires, in Unix seconds; None for a session.
        session_key: the session of a browser, with which the right ends; None for a token.
    """

    user_id: UUID
    password_fingerprint: str
    expires_at: int | None = None
    session_key: str | None = field(default=None, repr=False)

    @property
    def expired(self) -> bool:
        """Return whether the token has expired. Whether a session has, the database knows."""
        return self.expires_at is not None and self.expires_at <= time.time()


class StreamResponse(StreamingHttpResponse):
    """The beginning of the stream: status and headers. The stream's process sends the events after them."""

    def __init__(self, access: Access, event_filter: EventFilter, position: Position | None) -> None:
        """Create the response.

        Args:
            access: the right to follow.
            event_filter: which events the client gets.
            position: where it goes on; None for events from now on.
        """
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__((), content_type="text/event-stream", headers=headers)
        self.access = access
        self.event_filter = event_filter
        self.position = position
