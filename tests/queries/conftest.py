"""Databases whose plans are looked at."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from orchestrator.demo.bulk_load import load
from orchestrator.demo.seed_plan import SeedPlan


@pytest.fixture
def empty_tables(db: None) -> None:
    """Tables that are empty on the disk, too: what other tests have rolled back still takes room there.

    PostgreSQL takes a table's size for its number of rows as long as it has no statistics.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE jobs, events, tasks, users CASCADE")


@pytest.fixture
def rows(db: None) -> None:
    """Some thousand rows of a busy orchestrator, and statistics of them."""
    plan = SeedPlan(jobs=3000, events=None, tasks=1000, users=600, seed=1, until=datetime.now(UTC))
    load(plan, progress=lambda _: None)


@pytest.fixture
def many_rows(db: None) -> None:
    """So many rows, in each table, that the planner's free choice means something; and statistics of them."""
    plan = SeedPlan(jobs=20_000, events=None, tasks=12_000, users=12_000, seed=1, until=datetime.now(UTC))
    load(plan, progress=lambda _: None)


@pytest.fixture
def execute(db: None) -> Any:
    """A function that executes a statement of SQL and returns what it gives."""

    def run(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    return run
