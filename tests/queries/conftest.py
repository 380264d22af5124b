"""Tables of several sizes for tests of query plans."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from orchestrator.demo.bulk_load import load
from orchestrator.demo.seed_plan import SeedPlan


@pytest.fixture
def empty_tables(db: None) -> None:
    """Tables that are also empty on disk, where rolled back rows of other tests still take space.

    Without statistics PostgreSQL estimates the number of rows from the size of the file.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE jobs, events, tasks, users CASCADE")


@pytest.fixture
def rows(db: None) -> None:
    """Some thousand realistic rows, with statistics."""
    plan = SeedPlan(jobs=3000, events=None, tasks=1000, users=600, seed=1, until=datetime.now(UTC))
    load(plan, progress=lambda _: None)


@pytest.fixture
def many_rows(db: None) -> None:
    """Enough rows in each table for the planner's free choice to matter, with statistics."""
    plan = SeedPlan(jobs=20_000, events=None, tasks=12_000, users=12_000, seed=1, until=datetime.now(UTC))
    load(plan, progress=lambda _: None)


@pytest.fixture
def execute(db: None) -> Any:
    """A function that executes SQL and returns its rows."""

    def run(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    return run
