"""Reads events from the database, in the order in which the stream delivers them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

#: Events that one query reads at most.
PAGE_EVENTS: Final = 200

#: The version of UUIDs that begin with their time, in milliseconds.
_TIMED_UUID: Final = 7

#: The fields of an event, as the API shows them.
FIELDS: Final = ("id", "type", "payload", "created_at")

#: A position in the stream, as the engine's feed knows it: everything up to it was delivered.
Position = Any


class InvalidPosition(ValueError):
    """A ``Last-Event-ID`` from which the stream cannot go on; the message says why."""


class EventFilter(NamedTuple):
    """Which events a client gets: those of a type, of a job, of both, or all."""

    type: str | None = None
    job: UUID | None = None


@dataclass(frozen=True)
class StreamedEvent:
    """An event of the stream.

    Args:
        id: its id.
        type: its type.
        job: the job whose history it belongs to, if any.
        message: the server-sent event as it is sent, with the position in its ``id:``.
    """

    id: UUID
    type: str
    job: UUID | None
    message: bytes

    @property
    def age(self) -> float | None:
        """The seconds since it was created, by its UUIDv7; None for an id of another kind."""
        return time.time() - (self.id.int >> 80) / 1000 if self.id.version == _TIMED_UUID else None

    def filters(self) -> Iterator[EventFilter]:
        """Yield each filter that the event passes."""
        yield EventFilter()
        yield EventFilter(type=self.type)
        if self.job is not None:
            yield EventFilter(job=self.job)
            yield EventFilter(self.type, self.job)


class EventPage(NamedTuple):
    """The next events after a position, in order.

    Args:
        events: at most ``PAGE_EVENTS``.
        position: the position after them.
        complete: whether no more events were there when the page was read.
    """

    events: tuple[StreamedEvent, ...]
    position: Position
    complete: bool


class Feed(Protocol):
    """The events of one database; its methods run one query or two, and must not run in an event loop."""

    def now(self) -> Position:
        """Return the position after everything that is committed."""

    def read(self, after: Position, until: Position | None = None) -> EventPage:
        """Return the events after a position.

        Args:
            after: the position.
            until: a later position, up to which events are read; None for all that are committed.
        """

    def parse(self, last_event_id: str) -> Position:
        """Return the position of the ``id:`` of an event that was delivered, or of the id of an event.

        Raises:
            InvalidPosition: when it is neither.
        """


def message(event_id: str, json: str) -> bytes:
    """Return an event as it is sent.

    Args:
        event_id: what the client sends as ``Last-Event-ID`` to go on after it.
        json: the event. Stored by hand-written SQL, its payload may have line breaks between its tokens.
    """
    data = json.replace("\r", " ").replace("\n", " ")
    return f"id: {event_id}\ndata: {data}\n\n".encode()


def event_uuid(text: str) -> UUID:
    """Return the UUID of an event; raise ``InvalidPosition`` for any other text."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidPosition("Last-Event-ID is not the id of an event of this stream.") from None


#: The message for an event that the database does not have.
UNKNOWN: Final = "Last-Event-ID names no event that is stored. Start without it, and read the list of events."
