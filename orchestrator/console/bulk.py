"""Changes of many jobs as operators make them: prepared, looked at, begun, carried on, stopped."""

import time
from typing import Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from orchestrator import bulk
from orchestrator.bulk import SETTLED_STATUSES, Change
from orchestrator.console.models import BulkAction, BulkChange, BulkState
from orchestrator.models import Job
from orchestrator.querysets import JobQuerySet, count_up_to

#: Jobs that are counted before the change; of more it is told that there are more.
COUNTED: Final = 100_000

#: Seconds that one request carries a change on for.
PATIENCE: Final = 0.5


def jobs_of(change: BulkChange, listed: QuerySet[Job]) -> JobQuerySet:
    """Return the jobs that a change may be made to, changed ones included.

    Args:
        change: the change.
        listed: the jobs of the list that it was asked for from.
    """
    jobs = Job.objects.all() & listed.order_by()
    if change.job_ids is not None:
        return jobs.filter(pk__in=change.job_ids)
    # What came after the operator's look is not what was meant. It also ends what could go round in circles:
    # a job that is queued again, and fails again.
    jobs = jobs.filter(created_at__lte=change.created_at)
    if change.action == BulkAction.RETRY:
        jobs = jobs.filter(completed_at__lte=change.created_at)
    return jobs


def made(change: BulkChange, by: str) -> Change:
    """Return what is done to each job.

    Args:
        change: the change as it was asked for.
        by: the user name of who carries it on.
    """
    reason = change.reason or None
    if change.to_status is not None:
        return bulk.to_status(change.to_status, by=by, reason=reason)
    if change.action == BulkAction.PRIORITY:
        return bulk.to_priority(change.priority or 0, by=by, reason=reason)
    return bulk.deletion(by=by, reason=reason)


def concerned(change: BulkChange, jobs: JobQuerySet) -> JobQuerySet:
    """Return those of some jobs that a change is still to be made to."""
    if change.action == BulkAction.PRIORITY and change.priority is None:
        return jobs.exclude(status__in=SETTLED_STATUSES)  # which priority is not chosen yet
    return made(change, change.by).concerns(jobs)


def number_of(jobs: JobQuerySet) -> int | None:
    """Return how many jobs there are, or None for more than are counted."""
    number = count_up_to(jobs, COUNTED + 1)
    return None if number > COUNTED else number


def begin(change: BulkChange, jobs: JobQuerySet) -> None:
    """Note that a change has begun, and how many jobs it is to be made to."""
    change.total = number_of(concerned(change, jobs))
    change.state = BulkState.RUNNING
    change.save()


def carry_on(change: BulkChange, jobs: JobQuerySet, by: str) -> None:
    """Make a change to as many more jobs as a request has time for, and note how far it is."""
    what, deadline = made(change, by), time.monotonic() + PATIENCE
    while change.state == BulkState.RUNNING:
        with transaction.atomic():
            # Locked: what stops the change waits for the batch, and the next one sees it.
            change = BulkChange.objects.select_for_update().get(pk=change.pk)
            if change.state != BulkState.RUNNING:
                return
            number = bulk.batch(what, jobs)
            if number is None:
                _end(change, BulkState.FINISHED)
                return
            BulkChange.objects.filter(pk=change.pk).update(changed=F("changed") + number)
        if time.monotonic() > deadline:
            return


@transaction.atomic
def stop(change: BulkChange) -> bool:
    """End a change before it is made to all jobs; tell whether it was still open."""
    change = BulkChange.objects.select_for_update().get(pk=change.pk)
    if not change.is_open:
        return False
    _end(change, BulkState.STOPPED)
    return True


def _end(change: BulkChange, state: BulkState) -> None:
    change.state, change.ended_at = state, timezone.now()
    change.save(update_fields=["state", "ended_at"])
