"""Runs of bulk changes: preview, start, step by step, stop."""

import time
from dataclasses import replace
from typing import Final

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from orchestrator.console import bulk_operations
from orchestrator.console.bulk_operations import BulkOperation, operation_of
from orchestrator.console.models import BulkAction, BulkChange, BulkState
from orchestrator.listing import Cursor, ListDefinition, Selection
from orchestrator.listing.definition import Conditions

#: Rows that are read to count the eligible ones for the preview.
MAX_COUNTED: Final = 50_000

#: Seconds of work in one request.
STEP_SECONDS: Final = 0.5


def targeted(change: BulkChange, definition: ListDefinition, conditions: Conditions) -> Selection:
    """Return the rows that a change targets, rows already changed included."""
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
    return replace(selection, also=selection.also & operation_of(change).eligible)


@transaction.atomic
def start(change: BulkChange, selection: Selection) -> bool:
    """Save that a change runs, and how many rows are eligible; return False if it was started before."""
    if BulkChange.objects.select_for_update().get(pk=change.pk).state != BulkState.PREPARED:
        return False
    change.total = eligible(change, selection).count(MAX_COUNTED)
    change.state = BulkState.RUNNING
    change.save()
    return True


def run_step(change: BulkChange, selection: Selection) -> bool:
    """Run batches of a change for ``STEP_SECONDS``; return whether it has finished just now."""
    operation, deadline = operation_of(change), time.monotonic() + STEP_SECONDS
    selection = eligible(change, selection)
    while True:
        with transaction.atomic():
            # Locked: a request that stops the change waits for the batch, and the next batch sees it.
            change = BulkChange.objects.select_for_update().get(pk=change.pk)
            if change.state != BulkState.RUNNING:
                return False
            if not _next_batch(change, operation, selection):
                _end(change, BulkState.FINISHED)
                return True
        if time.monotonic() > deadline:
            return False


@transaction.atomic
def stop(change: BulkChange) -> bool:
    """Stop a change; return whether it was still open."""
    change = BulkChange.objects.select_for_update().get(pk=change.pk)
    if not change.is_open:
        return False
    _end(change, BulkState.STOPPED)
    return True


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
