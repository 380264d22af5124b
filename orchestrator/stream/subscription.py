"""One client of the stream: what waits to be sent to it, and when it is cut off."""

import asyncio
from typing import Final

from orchestrator.stream import stream_metrics
from orchestrator.stream.access import Access
from orchestrator.stream.feeds import EventFilter

#: Bytes that wait for a client. A client with more of them than this is cut off when the next events come.
MAX_WAITING_BYTES: Final = 256 * 1024


class Subscription:
    """The events that wait for one client."""

    def __init__(self, access: Access, event_filter: EventFilter) -> None:
        """Create a subscription.

        Args:
            access: the client's right to follow.
            event_filter: which events it gets.
        """
        self.access = access
        self.event_filter = event_filter
        #: Sends the client what waits; cancelled to end the client's stream.
        self.sender: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._something = asyncio.Event()

    def put(self, messages: bytes) -> None:
        """Add messages to those that wait; cut the client off if too much waits already."""
        if self._bytes > MAX_WAITING_BYTES:
            stream_metrics.CUT_OFF.inc()
            self.close()
            return
        self._waiting.append(messages)
        self._bytes += len(messages)
        self._something.set()

    def close(self) -> None:
        """End the client's stream; what waits is not sent."""
        if self.sender:
            self.sender.cancel()

    async def next(self) -> bytes:
        """Return everything that waits, as soon as there is something."""
        await self._something.wait()
        self._something.clear()
        messages, self._waiting, self._bytes = self._waiting, [], 0
        return messages[0] if len(messages) == 1 else b"".join(messages)
