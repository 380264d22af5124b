"""One run over the partitions: convert, create coming ones, detach expired ones, drop archived ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from orchestrator.partitions import catalog, conversion, creation, detaching, periods
from orchestrator.partitions.catalog import Partition
from orchestrator.partitions.detaching import ArchivedRows
from orchestrator.partitions.short_locks import only_run

#: The version of PostgreSQL from which ANALYZE knows ONLY; before, it also analyzes each partition.
_ANALYZE_ONLY_SINCE: Final = 18_00_00


def nothing_archived(_: str, *, read_files: bool) -> int:  # noqa: ARG001 - as ArchivedRows
    """Return 0: an archive without rows."""
    return 0


@dataclass(frozen=True)
class PartitionChanges:
    """How many partitions a run created, detached and dropped."""

    created: int
    detached: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class PartitionReport:
    """What a run did or, with ``dry_run``, what the next one would do.

    Args:
        state: ``unsupported``: SQLite has no partitions. ``busy``: another run is at work, and this one did
            nothing. ``plain``: the table is not partitioned; a dry run says what its conversion would do.
        converted: the partition with the rows of the plain table, if this run converted it.
        created: partitions for coming periods.
        detached: expired partitions that left the table.
        past_until: the end of the empty partition that the run made for restored events, in the place of all
            expired ones; None if it made none.
        waiting: detached partitions whose rows are not archived yet.
        dropped: detached partitions that were archived.
        coming: number of partitions that begin later than now, after the run.
        until: no event can be written from this time on, unless another partition is created before.
    """

    state: Literal["unsupported", "busy", "plain", "partitioned"]
    dry_run: bool = False
    converted: str | None = None
    created: tuple[str, ...] = ()
    detached: tuple[str, ...] = ()
    past_until: datetime | None = None
    waiting: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    coming: int = 0
    until: datetime | None = None

    @property
    def changes(self) -> PartitionChanges:
        """Return how many partitions changed."""
        return PartitionChanges(len(self.created), len(self.detached), len(self.dropped))


def run(
    now: datetime | None = None,
    *,
    dry_run: bool = False,
    archived: ArchivedRows = nothing_archived,
    using: str = DEFAULT_DB_ALIAS,
) -> PartitionReport:
    """Convert the table if it is plain, and do the upkeep. Safe at any time, and twice at once.

    Args:
        now: the current time, by default the clock's.
        dry_run: only return what the run would do.
        archived: see ``ArchivedRows``; without it only empty partitions are dropped.
        using: alias of the database.

    Raises:
        TableIsLocked: if a transaction keeps a lock for too long. The next run goes on.
    """
    connection, now = connections[using], now or timezone.now()
    if dry_run and connection.vendor == "postgresql":
        return _planned(connection, now, archived)
    return _run(connection, now, archived, dry_run=dry_run, converting=True)


def upkeep(
    now: datetime | None = None,
    *,
    archived: ArchivedRows = nothing_archived,
    using: str = DEFAULT_DB_ALIAS,
) -> PartitionReport:
    """Do the upkeep; a plain table stays plain unless its conversion was begun. See ``run``."""
    return _run(connections[using], now or timezone.now(), archived, converting=False)


def detached(*, using: str = DEFAULT_DB_ALIAS) -> tuple[str, ...]:
    """Return the names of the detached partitions, which wait for the archive or for the next run."""
    connection = connections[using]
    if not catalog.is_partitioned(connection):
        return ()
    return _names(each for each in catalog.partitions(connection) if each.state == "detached")


def first_boundary(*, using: str = DEFAULT_DB_ALIAS) -> datetime | None:
    """Return from which ``created_at`` on events leave by partition; None if the table is plain.

    Older ones are from before the conversion, or were restored: the archive takes them row by row.
    """
    connection = connections[using]
    if not catalog.is_partitioned(connection):
        return None
    return next(each.upper for each in catalog.partitions(connection) if each.state == "attached")


def _run(
    connection: BaseDatabaseWrapper,
    now: datetime,
    archived: ArchivedRows,
    *,
    dry_run: bool = False,
    converting: bool,
) -> PartitionReport:
    if connection.vendor != "postgresql":
        return PartitionReport(state="unsupported", dry_run=dry_run)
    with only_run(connection) as alone:
        if not alone:
            return PartitionReport(state="busy")
        converted = None
        if not catalog.is_partitioned(connection):
            if not converting and not conversion.is_begun(connection):
                return PartitionReport(state="plain")
            converted = conversion.convert(connection, now, settings.PARTITION_EVENTS_BY)
        return _done(connection, now, archived, converted)


def _done(
    connection: BaseDatabaseWrapper, now: datetime, archived: ArchivedRows, converted: str | None
) -> PartitionReport:
    dropped = tuple(
        name
        for name in detached(using=connection.alias)
        if detaching.drop_if_archived(connection, name, archived)
    )
    created = creation.create(connection, _missing(catalog.partitions(connection), now))
    gone, past_until = _detach_expired(connection, cutoff(now))
    _analyze(connection)
    return _report(
        catalog.partitions(connection),
        now,
        state="partitioned",
        converted=converted,
        created=created,
        detached=gone,
        past_until=past_until,
        dropped=dropped,
    )


def _planned(connection: BaseDatabaseWrapper, now: datetime, archived: ArchivedRows) -> PartitionReport:
    """Return what a run would do. Nothing is locked or changed."""
    converted, partitioned = None, catalog.is_partitioned(connection)
    if partitioned:
        existing = catalog.partitions(connection)
    else:
        upper = conversion.first_upper(connection, now, settings.PARTITION_EVENTS_BY)
        converted = creation.partition_name(None, upper)
        existing = (Partition(converted, "attached", None, upper),)
    leaving = [each for each in existing if each.state in ("detaching", "uncounted")]
    leaving += [
        each for each in detaching.expired(existing, cutoff(now)) if catalog.has_rows(connection, each.name)
    ]
    done = [
        each
        for each in existing
        if each.state == "detached" and detaching.is_archived(connection, each.name, archived)
    ]
    created = [
        Partition(creation.partition_name(*bounds), "attached", *bounds) for bounds in _missing(existing, now)
    ]
    return _report(
        [*existing, *created],
        now,
        state="partitioned" if partitioned else "plain",
        dry_run=True,
        converted=converted,
        created=_names(created),
        detached=_names(leaving),
        past_until=detaching.uncovered_past(
            [*(each for each in existing if each not in leaving), *created], cutoff(now)
        ),
        dropped=_names(done),
    )


def _report(existing: Iterable[Partition], now: datetime, **what: Any) -> PartitionReport:
    """Return the report of a run after which these partitions exist."""
    existing = list(existing)
    attached = [each for each in existing if each.state == "attached"]
    waiting = [each for each in existing if each.state == "detached" and each.name not in what["dropped"]]
    return PartitionReport(
        waiting=_names(waiting),
        coming=coming(attached, now),
        until=max((each.upper for each in attached if each.upper), default=None),
        **what,
    )


def _missing(existing: Iterable[Partition], now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the bounds of the partitions to create."""
    last = max((each.upper for each in existing if each.upper), default=now)
    return list(periods.missing(last, coming(existing, now), now, settings.PARTITION_EVENTS_BY))


def coming(existing: Iterable[Partition], now: datetime) -> int:
    """Return how many partitions begin later than now."""
    return sum(each.lower is not None and each.lower > now for each in existing)


def _detach_expired(
    connection: BaseDatabaseWrapper, cutoff: datetime
) -> tuple[tuple[str, ...], datetime | None]:
    """Detach the expired partitions that have rows, and cover the past.

    Return the detached ones, with those that a killed run has detached, and see ``past_until``.
    """
    existing = catalog.partitions(connection)
    leaving = [each for each in existing if each.state == "detaching"]
    leaving += [
        each for each in detaching.expired(existing, cutoff) if catalog.has_rows(connection, each.name)
    ]
    for each in leaving:
        detaching.detach(connection, each)
    existing = catalog.partitions(connection)
    past_until = detaching.cover_past(connection, existing, cutoff)
    uncounted = _names(each for each in existing if each.state == "uncounted")
    for name in uncounted:
        detaching.uncount(connection, name)
    return uncounted, past_until


def _analyze(connection: BaseDatabaseWrapper) -> None:
    """Collect the statistics of the whole table: autovacuum analyzes the partitions only."""
    only = "ONLY " if connection.pg_version >= _ANALYZE_ONLY_SINCE else ""  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {only}events")


def cutoff(now: datetime) -> datetime:
    """Return the time before which events are expired."""
    return now - timedelta(days=settings.EVENT_RETENTION_DAYS)


def _names(partitions: Iterable[Partition]) -> tuple[str, ...]:
    return tuple(each.name for each in partitions)
