"""Background work: what the worker's tasks and the commands of the same name call, one function each.

Each returns what the run did, or None if another run of the task is under way.
"""

from collections.abc import Callable, Iterable
from itertools import takewhile

from django.utils import timezone

from monitoring.task_runs import MayGoOn, forever, run
from orchestrator import archive as archive_files
from orchestrator import counts, partitions
from orchestrator.admin import bulk_admin
from orchestrator.api.replay import replay
from orchestrator.archive import ArchiveTotals
from orchestrator.cache import audit, client
from orchestrator.cache.audit import AuditReport
from orchestrator.console import rollups
from orchestrator.leases import expiry
from orchestrator.leases.expiry import Expiry
from orchestrator.partitions import PartitionChanges, PartitionReport
from orchestrator.submission import idempotency


def fold_counts() -> int | None:
    """Fold the rows that writers appended to the exact counts; return their number."""
    return run("fold_counts", lambda _: counts.fold())


def requeue_expired() -> Expiry | None:
    """Give back jobs whose lease has run out, and make jobs due whose time has come."""
    return run("requeue_expired", expiry.requeue_expired)


def roll_up_minutes() -> int | None:
    """Update the rollups of the minutes that are over; return the number of new ones."""
    return run("roll_up_minutes", lambda _: rollups.update_rollups(timezone.now()))


def cache_audit(
    sample: int | None, progress: Callable[[Iterable[str]], Iterable[str]] = iter
) -> AuditReport | None:
    """Compare cached responses with the database.

    Args:
        sample: the number of responses to compare at most; None for all, however long it takes.
        progress: wraps the keys of the responses, to show how many were compared.

    Raises:
        CacheUnavailable: when the cache server does not respond.
    """

    def work(may_go_on: MayGoOn) -> AuditReport:
        cache = client.current()
        found = audit.cached_keys(cache, sample) if cache.enabled else ()
        return audit.audit(takewhile(lambda _: may_go_on(), progress(found)), replay)

    return work(forever) if sample is None else run("cache_audit", work)


def prune_idempotency_keys() -> int | None:
    """Delete the idempotency keys that have expired; return their number."""
    return run("prune_idempotency_keys", idempotency.prune)


def archive() -> ArchiveTotals | None:
    """Archive the jobs and events whose retention has passed; return how many."""
    return run("archive", archive_files.run_due)


def partition_events(*, converting: bool = False) -> PartitionReport | None:
    """Keep the partitions of events; return what was done.

    Args:
        converting: whether to convert a plain table, too.

    Raises:
        TableIsLocked: if a transaction keeps a lock for too long.
    """
    keep = partitions.run if converting else partitions.upkeep
    reports: list[PartitionReport] = []

    def work(_: MayGoOn) -> PartitionChanges:
        reports.append(keep(archived=archive_files.archived_rows))
        return reports[0].changes

    run("partition_events", work)
    return reports[0] if reports else None


def run_bulk_changes() -> int | None:
    """Go on with the console's bulk changes that are running; return how many ended."""
    return run(bulk_admin.BULK_TASK, bulk_admin.run_bulk_changes)
