"""Steps that need the service's code and settings: `python -m benchmarks.django_steps STEP` prints one answer."""

import json
import sys
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402

from benchmarks.scaling import multiply as multiplied  # noqa: E402
from benchmarks.suites.report_queries import measure  # noqa: E402
from orchestrator import tokens  # noqa: E402
from orchestrator.choices import Role  # noqa: E402
from orchestrator.models import User  # noqa: E402

_TRIGGERS = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal",
}


def admin() -> dict[str, str]:
    """Make an admin; return the id and a bearer token."""
    user = User.objects.create_user("bench", "bench@example.com", role=Role.ADMIN)
    return {"id": user.pk.hex, "token": tokens.issue(user).access_token}


def checkpoint() -> None:
    """Bring all of a SQLite database into its one file."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def drop_triggers(*beginnings: str) -> None:
    """Drop the triggers whose names begin so."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS[connection.vendor])
        for name, table in cursor.fetchall():
            if name.startswith(beginnings):
                of_table = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {name}{of_table}")


def multiply(times: str) -> None:
    """Put so many copies in the place of each row."""
    multiplied(int(times))


def report_queries() -> list[dict[str, Any]]:
    """Time the four queries of the performance report."""
    return measure()


STEPS: dict[str, Callable[..., Any]] = {
    step.__name__: step for step in (admin, checkpoint, drop_triggers, multiply, report_queries)
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))
