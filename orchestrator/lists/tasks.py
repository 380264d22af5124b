"""The list of tasks."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from orchestrator.listing import Exact, ListDefinition, Order, Prefix, Range
from orchestrator.models import Task

TASKS: Final = ListDefinition(
    model=Task,
    orders=(Order("-created_at"), Order("created_at"), Order("title", then="created_at")),
    filters=(
        Exact("id", UUID, sample=UUID(int=0), api=False),
        Exact("title", sample="Review", alone=True, orders_by=("created_at",), console=False),
        Prefix("title_prefix", column="title", sample="Re", alone=True),
        Range("created_at", sample=timedelta(days=7)),
    ),
    deferred=("description",),
)
