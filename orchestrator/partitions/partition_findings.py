"""What the monitoring finds about the partitions of ``events``."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from monitoring.findings import Finding
from monitoring.formatting import iso_timestamp
from monitoring.report_data import DatabaseReport
from orchestrator.partitions import catalog, conversion
from orchestrator.partitions.catalog import Partition
from orchestrator.partitions.detaching import expired
from orchestrator.partitions.upkeep import coming, cutoff

_COMMAND: Final = "python manage.py partition_events"
#: With fewer coming partitions the upkeep has not run for long.
_MIN_COMING: Final = 2


def partitions_of_events(_: DatabaseReport) -> Iterator[Finding]:
    """Find partitions that will be missing, and steps that were not finished."""
    if connection.vendor != "postgresql":
        return
    if catalog.is_partitioned(connection):
        existing = catalog.partitions(connection)
        yield from _runway(existing)
        yield from _leftovers(existing)
    elif bound := conversion.bound(connection):
        yield Finding(
            "partitions:conversion",
            "critical",
            "The conversion of events was begun and not finished: until it is, no newer event can be written",
            {"until": iso_timestamp(bound[0])},
            _COMMAND,
        )


def _runway(existing: Sequence[Partition]) -> Iterator[Finding]:
    left = coming(existing, timezone.now())
    until = max((each.upper for each in existing if each.upper), default=None)
    if left < _MIN_COMING:
        yield Finding(
            "partitions:runway",
            "warning" if left else "critical",
            "Few partitions of events are left: after the last one no event or job can be written",
            {"coming": left, "until": until and iso_timestamp(until)},
            _COMMAND,
        )


def _leftovers(existing: Sequence[Partition]) -> Iterator[Finding]:
    unfinished = [each.name for each in existing if each.state in ("detaching", "uncounted")]
    waiting = [each.name for each in existing if each.state == "detached"]
    if unfinished:
        yield Finding(
            "partitions:unfinished",
            "warning",
            "A partition of events left the table and is still in the counts",
            {"partitions": unfinished},
            _COMMAND,
        )
    # What expired today leaves tonight.
    late = expired(existing, cutoff(timezone.now()) - timedelta(days=1))
    if names := [each.name for each in late if catalog.has_rows(connection, each.name)]:
        yield Finding(
            "partitions:expired",
            "warning",
            "Expired partitions of events are still in the table",
            {"partitions": names, "EVENT_RETENTION_DAYS": settings.EVENT_RETENTION_DAYS},
            _COMMAND,
        )
    if waiting:
        yield Finding(
            "partitions:waiting",
            "info",
            "Detached partitions of events wait to be archived and dropped",
            {"partitions": waiting},
            f"python manage.py archive && {_COMMAND}",
        )
