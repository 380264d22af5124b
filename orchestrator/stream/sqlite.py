"""The feed of SQLite: one transaction writes at a time, so the order of the rows is that of the commits."""

from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.listing.json_rows import object_sql
from orchestrator.models import Event
from orchestrator.stream.feeds import (
    FIELDS,
    PAGE_EVENTS,
    UNKNOWN,
    EventPage,
    InvalidPosition,
    StreamedEvent,
    event_uuid,
    message,
)

_NOW: Final = "SELECT id, rowid FROM events ORDER BY rowid DESC LIMIT 1"
_ROW_OF: Final = "SELECT rowid FROM events WHERE id = %s"


class SqlitePosition(NamedTuple):
    """The last event that was delivered, "" for none, and the number of its row.

    The event counts: VACUUM may number the rows anew. Its row counts where the event was deleted.
    """

    event_id: str = ""
    row: int = 0


class SqliteFeed:
    """Reads events by the number of their row."""

    def now(self) -> SqlitePosition:
        """Return the position after everything that is committed."""
        rows = _query(_NOW, [])
        return SqlitePosition(*rows[0]) if rows else SqlitePosition()

    def read(self, after: SqlitePosition, until: SqlitePosition | None = None) -> EventPage:
        """Return the events after a position."""
        rows = _query(*page_statement(after, until))
        events = tuple(_event(*row) for row in rows)
        position = SqlitePosition(*rows[-1][:2]) if rows else self._still(after)
        return EventPage(events, position, complete=len(events) < PAGE_EVENTS)

    def _still(self, position: SqlitePosition) -> SqlitePosition:
        """Return a position after which there is no event, or the last one if its event was deleted."""
        if position.event_id and not _query(_ROW_OF, [position.event_id]):
            return self.now()  # or new rows would get lower numbers than the deleted ones
        return position

    def parse(self, last_event_id: str) -> SqlitePosition:
        """Return the position of an event's id."""
        event_id = event_uuid(last_event_id).hex
        rows = _query(_ROW_OF, [event_id])
        if not rows:
            raise InvalidPosition(UNKNOWN)
        return SqlitePosition(event_id, rows[0][0])


def page_statement(after: SqlitePosition, until: SqlitePosition | None) -> tuple[str, list[Any]]:
    """Return the SQL and the parameters that read a page; see ``SqliteFeed.read``."""
    return _page_sql(bounded=until is not None), [*after, *(until or ())]


@cache
def _page_sql(*, bounded: bool) -> str:
    row = "coalesce((SELECT rowid FROM events WHERE id = %s), %s)"
    until = f"AND rowid <= {row}" if bounded else ""
    columns = f"id, rowid, type, job_id, {object_sql(Event, 'events', FIELDS, 'sqlite')}"
    return f"SELECT {columns} FROM events WHERE rowid > {row} {until} ORDER BY rowid LIMIT {PAGE_EVENTS}"  # noqa: S608 - our own


def _event(hex_id: str, _: int, event_type: str, job: str | None, json: str) -> StreamedEvent:
    event_id = UUID(hex_id)
    return StreamedEvent(event_id, event_type, UUID(job) if job else None, message(str(event_id), json))


def _query(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
