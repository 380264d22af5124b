"""A database at the first migration, with rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.migrations.schema import INITIAL, historical_apps, migrate

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("pending", "running", "completed", "failed", "cancelled")


@pytest.fixture
def database(scratch_database: str) -> str:
    """The alias of a database at the first migration, with 40 varied rows in each table."""
    migrate(scratch_database, INITIAL)
    apps = historical_apps(scratch_database, INITIAL)

    def fill(model: str, make: Callable[[int], dict[str, Any]], count: int = 40) -> None:
        manager = apps.get_model("orchestrator", model)._base_manager.using(scratch_database)  # noqa: SLF001
        manager.bulk_create([manager.model(**make(number)) for number in range(count)])

    fill("Job", job)
    fill("Event", lambda n: {"type": f"job_{n % 5}", "payload": {"n": n}, "created_at": at(n)})
    fill("Task", lambda n: {"title": f"Task {n} ☃", "description": "x" * n, "version": n + 1})
    fill("User", user)
    return scratch_database


def at(number: int) -> datetime:
    """Return a timestamp that three rows share."""
    return EPOCH + timedelta(minutes=number // 3)


def job(number: int) -> dict[str, Any]:
    """Return the columns of a job."""
    return {
        "name": f"job {number}",
        "status": STATUSES[number % len(STATUSES)],
        "priority": number % 7 - 3,
        "metadata": {"nested": [number, None, "\u202eabc"]},
        "created_at": at(number),
        "started_at": at(number + 1),
        "completed_at": at(number + 2),
    }


def user(number: int) -> dict[str, Any]:
    """Return the columns of a user."""
    role = ("user", "moderator", "admin")[number % 3]
    return {
        "username": f"u{number}",
        "email": f"u{number}@example.com",
        "role": role,
        "active": number % 4 > 0,
    }
