"""Runs of bulk changes: preview, start, step by step, stop."""

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

#: Rows that are read to count the eligible ones for the preview.
MAX_COUNTED: Final = 50_000

#: Seconds of work in one request.
STEP_SECONDS: Final = 0.5

#: Builds the operation of a saved change; takes the username for the histories.
OperationBuilder = Callable[[BulkChange, str], BulkOperation]


def _set_status(status: JobStatus) -> OperationBuilder:
    return lambda change, by: bulk_operations.set_status(status, by=by, reason=change.reason or None)


#: The bulk changes of each table.
OPERATIONS: Final[Mapping[str, Mapping[BulkAction, OperationBuilder]]] = MappingProxyType(
    {
        "jobs": {
            BulkAction.RETRY: _set_status(JobStatus.PENDING),
            BulkAction.CANCEL: _set_status(JobStatus.CANCELLED),
            BulkAction.PRIORITY: lambda change, by: bulk_operations.set_priority(
                change.priority, by=by, reason=change.reason or None
            ),
            BulkAction.DELETE: lambda change, by: bulk_operations.delete_jobs(
                by=by, reason=change.reason or None
            ),
        },
        "events": {},
        "tasks": {BulkAction.DELETE: lambda *_: bulk_operations.delete_tasks()},
        "users": {
            BulkAction.ACTIVATE: lambda *_: bulk_operations.set_active(active=True),
            BulkAction.DEACTIVATE: lambda *_: bulk_operations.set_active(active=False),
            BulkAction.DELETE: lambda *_: bulk_operations.delete_users(),
        },
    }
)


def targeted(change: BulkChange, definition: ListDefinition, conditions: Conditions) -> Selection:
    """Return the rows that a change targets, rows already changed included.

    Args:
        change: the change.
        definition: the list that the operator used.
        conditions: the list's filters.
    """
    if change.row_ids is not None:
        return Selection.of_ids(definition, change.row_ids)
    # Only rows that the operator can have seen. The bound on completion also ends the run: a job that is
    # requeued may fail again.
    seen = Q(created_at__lte=change.created_at)
    if change.action == BulkAction.RETRY:
        seen &= Q(completed_at__lte=change.created_at)
    order = definition.orders_with(conditions, definition.orders)[0]
    return Selection(definition, conditions, order, also=seen)


def eligible(change: BulkChange, selection: Selection) -> Selection:
    """Return the rows of a selection that still need a change, and allow it."""
    return replace(selection, also=selection.also & _operation(change, change.by).eligible)


def start(change: BulkChange, selection: Selection) -> None:
    """Save that a change runs, and how many rows are eligible."""
    change.total = eligible(change, selection).count(MAX_COUNTED)
    change.state = BulkState.RUNNING
    change.save()


def run_step(change: BulkChange, selection: Selection, by: str) -> None:
    """Run batches of a change for ``STEP_SECONDS``, and save the progress."""
    operation, deadline = _operation(change, by), time.monotonic() + STEP_SECONDS
    selection = replace(selection, also=selection.also & operation.eligible)
    while True:
        with transaction.atomic():
            # Locked: a request that stops the change waits for the batch, and the next batch sees it.
            change = BulkChange.objects.select_for_update().get(pk=change.pk)
            if change.state != BulkState.RUNNING:
                return
            if not _next_batch(change, operation, selection):
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


def _operation(change: BulkChange, by: str) -> BulkOperation:
    return OPERATIONS[change.table][BulkAction(change.action)](change, by)


def _next_batch(change: BulkChange, operation: BulkOperation, selection: Selection) -> bool:
    """Change the next rows; return whether there may be more."""
    page = selection.page(Cursor(position=tuple(change.position or ())), size=bulk_operations.BATCH_SIZE)
    number = bulk_operations.run_batch(operation, selection.definition.model, [row.pk for row in page.rows])
    position = [str(value) for value in page.next.position] if page.next else None
    BulkChange.objects.filter(pk=change.pk).update(changed=F("changed") + number, position=position)
    return page.next is not None


def _end(change: BulkChange, state: BulkState) -> None:
    change.state, change.ended_at = state, timezone.now()
    change.save(update_fields=["state", "ended_at"])
