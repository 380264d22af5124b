"""The list of events, and the history of one job."""

from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from orchestrator.listing import Exact, ListDefinition, Order, Range
from orchestrator.models import Event

EVENTS: Final = ListDefinition(
    model=Event,
    orders=(Order("-created_at"), Order("created_at")),
    filters=(
        Exact("id", UUID, sample=UUID(int=0), api=False),
        Exact("job", UUID, column="job_id", sample=UUID(int=0), help="The id of a job: its history."),
        Exact("type", sample="job_failed"),
        Range("created_at", sample=timedelta(days=7)),
    ),
)

JOB_HISTORY: Final = replace(
    EVENTS, orders=EVENTS.orders[:1], filters=(replace(EVENTS.by_name["job"], api=False, console=False),)
)
