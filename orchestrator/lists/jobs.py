"""The list of jobs."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from orchestrator.choices import JobStatus
from orchestrator.listing import Exact, ListDefinition, OneOf, Order, Prefix, Range
from orchestrator.models import QUEUE_PATTERN, Job

JOBS: Final = ListDefinition(
    model=Job,
    orders=(
        Order("-created_at"),
        Order("created_at"),
        Order("-priority", then="created_at"),
        Order("-started_at"),
        Order("started_at"),
        Order("-completed_at"),
        Order("completed_at"),
        Order("name", then="created_at", api=False),
    ),
    filters=(
        Exact("id", UUID, sample=UUID(int=0), api=False),
        Exact("worker", sample="gpu-1", help="The worker that has the job, or had it last."),
        OneOf("status", JobStatus, sample=JobStatus.FAILED),
        Exact("priority", int, sample=20),
        Exact("queue", sample="reports", pattern=QUEUE_PATTERN),
        Range("created_at", sample=timedelta(days=7)),
        Range("started_at", sample=timedelta(days=7), console=False),
        Range("completed_at", sample=timedelta(days=6), console=False),
        Prefix("name", sample="Nightly", api=False),
    ),
    deferred=("description", "metadata", "result"),
)
