"""Bulk changes as operators make them: prepare, preview, begin, continue, stop."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from orchestrator.choices import JobStatus
from orchestrator.console import bulk_operations
from orchestrator.console.bulk_operations import BulkOperation
from orchestrator.console.models import BulkAction, BulkChange, BulkState
from orchestrator.listing import Cursor, ListDefinition, Selection
from orchestrator.listing.definition import Conditions

#: Rows that are read before a change to count those that need it.
MAX_COUNTED: Final = 50_000

#: Seconds that one request continues a change for.
STEP_SECONDS: Final = 0.5

#: Makes the domain's change from a saved one and the user name for the histories.
Maker = Callable[[BulkChange, str], BulkOperation]


def _to_status(status: JobStatus) -> Maker:
    return lambda change, by: bulk_operations.to_status(status, by=by, reason=change.reason or None)


#: The bulk changes of each table.
OPERATIONS: Final[Mapping[str, Mapping[BulkAction, Maker]]] = MappingProxyType(
    {
        "jobs": {
            BulkAction.RETRY: _to_status(JobStatus.PENDING),
            BulkAction.CANCEL: _to_status(JobStatus.CANCELLED),
            BulkAction.PRIORITY: lambda change, by: bulk_operations.to_priority(
                change.priority, by=by, reason=change.reason or None
            ),
            BulkAction.DELETE: lambda change, by: bulk_operations.deletion(
                by=by, reason=change.reason or None
            ),
        },
        "events": {},
        "tasks": {BulkAction.DELETE: lambda *_: bulk_operations.deletion_of_tasks()},
        "users": {
            BulkAction.ACTIVATE: lambda *_: bulk_operations.set_active(active=True),
            BulkAction.DEACTIVATE: lambda *_: bulk_operations.set_active(active=False),
            BulkAction.DELETE: lambda *_: bulk_operations.deletion_of_users(),
        },
    }
)


def selected(change: BulkChange, definition: ListDefinition, conditions: Conditions) -> Selection:
    """Return the rows that an operator selected, those already changed included.

    Args:
        change: the change.
        definition: the list that it was asked for from.
        conditions: of that list.
    """
    if change.row_ids is not None:
        return Selection.of_ids(definition, change.row_ids)
    # Only rows that the operator can have seen. It also ends what could go round in circles: a job that is
    # queued again, and fails again.
    seen = Q(created_at__lte=change.created_at)
    if change.action == BulkAction.RETRY:
        seen &= Q(completed_at__lte=change.created_at)
    order = definition.orders_with(conditions, definition.orders)[0]
    return Selection(definition, conditions, order, also=seen)


def needing(change: BulkChange, selection: Selection) -> Selection:
    """Return those rows of a selection that still need a change."""
    return replace(selection, also=selection.also & _made(change, change.by).needed)


def begin(change: BulkChange, selection: Selection) -> None:
    """Save that a change has begun, and how many rows need it."""
    change.total = needing(change, selection).count(MAX_COUNTED)
    change.state = BulkState.RUNNING
    change.save()


def run_step(change: BulkChange, selection: Selection, by: str) -> None:
    """Make a change to as many more rows as a request has time for, and save how far it is."""
    what, deadline = _made(change, by), time.monotonic() + STEP_SECONDS
    selection = replace(selection, also=selection.also & what.needed)
    while True:
        with transaction.atomic():
            # Locked: a request that stops the change waits for the batch, and the next batch sees it.
            change = BulkChange.objects.select_for_update().get(pk=change.pk)
            if change.state != BulkState.RUNNING:
                return
            if not _next_batch(change, what, selection):
                _end(change, BulkState.FINISHED)
                return
        if time.monotonic() > deadline:
            return


@transaction.atomic
def stop(change: BulkChange) -> bool:
    """Stop a change; return whether it was still open."""
    change = BulkChange.objects.select_for_update().get(pk=change.pk)
    if not change.is_open:
        return False
    _end(change, BulkState.STOPPED)
    return True


def _made(change: BulkChange, by: str) -> BulkOperation:
    """Return the domain's change, made by a user."""
    return OPERATIONS[change.table][BulkAction(change.action)](change, by)


def _next_batch(change: BulkChange, what: BulkOperation, selection: Selection) -> bool:
    """Make a change to the next rows; return whether there may be more."""
    found = selection.page(Cursor(position=tuple(change.position or ())), size=bulk_operations.BATCH_SIZE)
    number = bulk_operations.run_batch(what, selection.definition.model, [row.pk for row in found.rows])
    position = [str(value) for value in found.next.position] if found.next else None
    BulkChange.objects.filter(pk=change.pk).update(changed=F("changed") + number, position=position)
    return found.next is not None


def _end(change: BulkChange, state: BulkState) -> None:
    change.state, change.ended_at = state, timezone.now()
    change.save(update_fields=["state", "ended_at"])
