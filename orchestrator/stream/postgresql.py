"""The feed of PostgreSQL, in the order of transactions, without gaps (docs/adr/0014-event-stream.md)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
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
from orchestrator.stream.transaction_snapshots import Snapshot

_NOW: Final = """
    SELECT pg_current_snapshot()::text,
        EXISTS (SELECT FROM events WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot()))
"""
# The current snapshot holds no such row, unless it came with a dump from another server, whose transactions
# have other ids.
_FORGET_OTHER_HISTORY: Final = """
    UPDATE events SET transaction = NULL WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot())
"""
_TRANSACTION_OF: Final = """
    SELECT transaction::text, pg_snapshot_xmax(pg_current_snapshot())::text FROM events WHERE id = %s
"""
_END: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"

#: The rest of the transaction of which the last event was delivered; transactions that were open; later ones.
_PARTS: Final = (
    "transaction = %(last)s::xid8 AND id > %(last_id)s::uuid",
    "transaction = ANY(%(missing)s::xid8[])",
    "transaction >= %(end)s::xid8",
)
_UNTIL: Final = "AND transaction < %(until)s::xid8 AND transaction <> ALL(%(until_missing)s::xid8[])"

_ID: Final = re.compile(r"([0-9a-fA-F-]{36}):([0-9]{1,18}):([0-9]{1,18}):([0-9,]*)")
_MAX_DIGITS: Final = 18


@dataclass(frozen=True)
class PostgresPosition:
    """A position in the stream.

    Args:
        delivered: the transactions of which everything was delivered.
        last: a further transaction, at most ``delivered.end``, of which something was delivered; or None.
        last_id: the last event of it that was delivered.
    """

    delivered: Snapshot
    last: int | None = None
    last_id: UUID | None = None

    def __str__(self) -> str:
        """Return the ``id:`` of the last event."""
        missing = ",".join(map(str, self.delivered.missing))
        return f"{self.last_id}:{self.last}:{self.delivered.end}:{missing}"

    @property
    def rest(self) -> Snapshot:
        """The transactions whose events are delivered after the rest of the last one's."""
        return self.delivered if self.last is None else self.delivered.with_transaction(self.last)


class PostgresFeed:
    """Reads events by transaction."""

    def now(self) -> PostgresPosition:
        """Return the position after everything that is committed."""
        ((text, other_history),) = _query(_NOW)
        if other_history:
            with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
                cursor.execute(_FORGET_OTHER_HISTORY)
        return PostgresPosition(Snapshot.parse(text))

    def read(self, after: PostgresPosition, until: PostgresPosition | None = None) -> EventPage:
        """Return the events after a position, first the rest of its last transaction."""
        rows = _query(*page_statement(after, until))
        current = Snapshot.parse(rows[0][0])
        if current.end < after.delivered.end:  # the database was replaced by an older one
            return EventPage((), self.now(), complete=True)
        target = until.delivered if until else current
        events, position = _events(rows, after, target)
        if len(events) < PAGE_EVENTS:
            return EventPage(events, PostgresPosition(target), complete=True)
        return EventPage(events, position, complete=False)

    def parse(self, last_event_id: str) -> PostgresPosition:
        """Return the position of an ``id:`` or of an event's id."""
        if found := _ID.fullmatch(last_event_id):
            return _parsed(*found.groups())
        event_id = event_uuid(last_event_id)
        rows = _query(_TRANSACTION_OF, [event_id])
        if not rows or rows[0][0] is None or int(rows[0][0]) >= int(rows[0][1]):
            raise InvalidPosition(UNKNOWN)
        transaction = int(rows[0][0])
        return PostgresPosition(Snapshot(transaction), transaction, event_id)


def page_statement(after: PostgresPosition, until: PostgresPosition | None) -> tuple[str, Any]:
    """Return the SQL and the parameters that read a page; see ``PostgresFeed.read``."""
    rest = after.rest
    parameters: dict[str, Any] = {
        "last": str(after.last),
        "last_id": str(after.last_id),
        "missing": _array(rest.missing),
        "end": str(rest.end),
    }
    if until:
        parameters |= {"until": str(until.delivered.end), "until_missing": _array(until.delivered.missing)}
    return _page_sql(partial=after.last is not None, bounded=until is not None), parameters


@cache
def _page_sql(*, partial: bool, bounded: bool) -> str:
    """Return the SQL of a page.

    Each part reads one range of the index, so that a transaction which is open for long does not make every
    poll read all events since its start. There is a row with the snapshot even if there is no event.
    """
    until = _UNTIL if bounded else ""
    parts = " UNION ALL ".join(
        f"({_part_sql(number, f'{condition} {until}')})"
        for number, condition in enumerate(_PARTS)
        if number or partial
    )
    return (
        "SELECT pg_current_snapshot()::text, transaction::text, id, type, job_id, json"  # noqa: S608 - our own
        f" FROM (SELECT) AS one LEFT JOIN ({parts}) AS page ON true"
        # Of the page: by its name alone it is the selected text, in which 1000 comes before 999.
        f" ORDER BY part, page.transaction, id LIMIT {PAGE_EVENTS}"
    )


def _part_sql(number: int, condition: str) -> str:
    json = object_sql(Event, "events", FIELDS, "postgresql")
    return (
        f"SELECT {number} AS part, transaction, id, type, job_id, {json} AS json"  # noqa: S608 - our own
        f" FROM events WHERE {condition} ORDER BY transaction, id LIMIT {PAGE_EVENTS}"
    )


def newest_statement(position: PostgresPosition) -> tuple[str, Any]:
    """Return the SQL and the parameters of the part of a page that reads the newest transactions."""
    return _part_sql(0, _PARTS[-1]), {"end": str(position.rest.end)}


def _query(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _array(transactions: Iterable[int]) -> str:
    return f"{{{','.join(map(str, transactions))}}}"


def _events(
    rows: list[tuple[Any, ...]], after: PostgresPosition, target: Snapshot
) -> tuple[tuple[StreamedEvent, ...], PostgresPosition]:
    """Return the events of a page, and the position after them."""
    events, position = [], after
    for _, transaction, event_id, event_type, job, json in rows:
        if event_id is None:
            break  # a page without events has one row
        number = int(transaction)
        if number == after.last:
            delivered = after.delivered
        elif number == position.last:
            delivered = position.delivered
        else:
            delivered = after.rest.with_lower(number, target)
        position = PostgresPosition(delivered, number, event_id)
        events.append(StreamedEvent(event_id, event_type, job, message(str(position), json)))
    return tuple(events), position


def _parsed(event_id: str, last: str, end: str, missing: str) -> PostgresPosition:
    """Return the position that a client sent.

    Raises:
        InvalidPosition: when it is none of this database's.
    """
    transactions = tuple(int(each[:_MAX_DIGITS]) for each in missing.split(",") if each)
    position = PostgresPosition(Snapshot(int(end), transactions), int(last), event_uuid(event_id))
    ((current,),) = _query(_END)
    if not (
        list(transactions) == sorted(set(transactions))
        and all(each < position.delivered.end for each in transactions)
        and int(last) <= position.delivered.end
        and int(last) not in position.delivered
    ):
        raise InvalidPosition("Last-Event-ID is not the id of an event of this stream.")
    if max(int(last), position.delivered.end - 1) >= int(current):
        raise InvalidPosition("Last-Event-ID is from another database, or from before a restore.")
    return position
