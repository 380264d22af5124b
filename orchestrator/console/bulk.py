"""Changes of many rows as operators make them: prepared, looked at, begun, carried on, stopped."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from orchestrator import bulk, walks
from orchestrator.bulk import Change
from orchestrator.choices import JobStatus
from orchestrator.console.models import BulkAction, BulkChange, BulkState
from orchestrator.cursors import Cursor
from orchestrator.pagination import as_columns
from orchestrator.querysets import count_up_to
from orchestrator.walks import Listing, Narrowing

#: Rows that are counted before the change; of more it is told that there are more.
COUNTED: Final = 50_000

#: Seconds that one request carries a change on for.
PATIENCE: Final = 0.5

#: Makes the change that was asked for, from that and from the user name of who carries it on.
Maker = Callable[[BulkChange, str], Change]


def _to_status(status: JobStatus) -> Maker:
    return lambda change, by: bulk.to_status(status, by=by, reason=change.reason or None)


#: What can be done to the rows of each table.
CHANGES: Final[Mapping[str, Mapping[BulkAction, Maker]]] = MappingProxyType(
    {
        "jobs": {
            BulkAction.RETRY: _to_status(JobStatus.PENDING),
            BulkAction.CANCEL: _to_status(JobStatus.CANCELLED),
            BulkAction.PRIORITY: lambda change, by: bulk.to_priority(
                change.priority, by=by, reason=change.reason or None
            ),
            BulkAction.DELETE: lambda change, by: bulk.deletion(by=by, reason=change.reason or None),
        },
        "events": {},
        "tasks": {BulkAction.DELETE: lambda *_: bulk.deletion_of_tasks()},
        "users": {
            BulkAction.ACTIVATE: lambda *_: bulk.to_activity(active=True),
            BulkAction.DEACTIVATE: lambda *_: bulk.to_activity(active=False),
            BulkAction.DELETE: lambda *_: bulk.deletion_of_users(),
        },
    }
)


def meant(change: BulkChange, listing: Listing) -> Listing:
    """Return the rows that a change may be made to, changed ones included.

    Args:
        change: the change.
        listing: the list that it was asked for from.
    """
    if change.row_ids is not None:
        return listing.narrowed(lambda rows: rows.filter(pk__in=change.row_ids))
    # What came after the operator's look is not what was meant. It also ends what could go round in circles:
    # a job that is queued again, and fails again.
    since = {"created_at__lte": change.created_at}
    if change.action == BulkAction.RETRY:
        since["completed_at__lte"] = change.created_at
    return listing.narrowed(lambda rows: rows.filter(**since))


def concerned(change: BulkChange, listing: Listing) -> Listing:
    """Return those rows of a list that a change is still to be made to."""
    concerns = _made(change, change.by).concerns
    if listing.rest is None:
        return listing.narrowed(concerns)
    return Listing(listing.found, listing.order, _both(listing.rest, concerns))


def number_of(listing: Listing) -> int | None:
    """Return how many rows a list has, or None for more than are counted."""
    if listing.rest is None:
        number = count_up_to(listing.found, COUNTED + 1)
        return None if number > COUNTED else number
    walk = listing.beginning(Cursor())
    if walks.end_of(listing, walk, walks.LOOKED_AT + 1):
        return None
    return len(_ids_of(listing, listing.rest, walk[: walks.LOOKED_AT]))


def begin(change: BulkChange, listing: Listing) -> None:
    """Note that a change has begun, and how many rows it is to be made to."""
    change.total = number_of(concerned(change, listing))
    change.state = BulkState.RUNNING
    change.save()


def carry_on(change: BulkChange, listing: Listing, by: str) -> None:
    """Make a change to as many more rows as a request has time for, and note how far it is."""
    what, deadline = _made(change, by), time.monotonic() + PATIENCE
    while True:
        with transaction.atomic():
            # Locked: what stops the change waits for the batch, and the next one sees it.
            change = BulkChange.objects.select_for_update().get(pk=change.pk)
            if change.state != BulkState.RUNNING:
                return
            if not _next_batch(change, what, listing):
                _end(change, BulkState.FINISHED)
                return
        if time.monotonic() > deadline:
            return


@transaction.atomic
def stop(change: BulkChange) -> bool:
    """End a change before it is made to all rows; tell whether it was still open."""
    change = BulkChange.objects.select_for_update().get(pk=change.pk)
    if not change.is_open:
        return False
    _end(change, BulkState.STOPPED)
    return True


def _made(change: BulkChange, by: str) -> Change:
    """Return what is done to each row, by whom."""
    return CHANGES[change.table][BulkAction(change.action)](change, by)


def _next_batch(change: BulkChange, what: Change, listing: Listing) -> bool:
    """Make a change to the next rows; tell whether there may be more of them."""
    if listing.rest is None:
        number = bulk.batch(what, listing.found)
        _note(change, number or 0)
        return number is not None
    # No index knows the rows that the list shows: they are looked for, from where the last batch ended.
    cursor = Cursor(position=as_columns(listing.found.model, listing.order.columns, change.position or ()))
    walk = listing.beginning(cursor)
    end = walks.end_of(listing, walk, bulk.BATCH)
    ids = _ids_of(listing, listing.rest, walk[: bulk.BATCH])
    number = bulk.batch(what, listing.found.model.objects.filter(pk__in=ids)) if ids else 0
    _note(change, number or 0, [str(value) for value in end])
    return bool(end)


def _ids_of(listing: Listing, rest: Narrowing, walk: QuerySet[Any]) -> list[Any]:
    """Return the ids of those rows of a walk that pass filters."""
    fields = listing.order.fields(backward=False)
    return [row.pk for row in walks.passing(walk, rest, fields, walks.LOOKED_AT, shown=False)]


def _both(first: Narrowing, second: Narrowing) -> Narrowing:
    return lambda rows: second(first(rows))


def _note(change: BulkChange, number: int, position: list[str] | None = None) -> None:
    BulkChange.objects.filter(pk=change.pk).update(changed=F("changed") + number, position=position)


def _end(change: BulkChange, state: BulkState) -> None:
    change.state, change.ended_at = state, timezone.now()
    change.save(update_fields=["state", "ended_at"])
