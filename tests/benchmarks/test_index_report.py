"""The index report measures every stage on a database of its own and leaves nothing behind."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from benchmarks import index_report
from orchestrator.demo.seed_plan import SeedPlan


def test_it_measures_before_and_after(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_report, "MAX_RUNS", 2)
    call_command("migrate", database=scratch_database, verbosity=0)
    plan = SeedPlan(jobs=300, events=None, tasks=100, users=100, seed=1, until=datetime.now(UTC))
    lines = list(index_report.index_report(plan, scratch_database))
    assert lines[0] == "## Performance Test Results"
    assert " 300 jobs" in lines[2]
    for query in (*index_report.REPORT_QUERIES, "user by email", "events by job"):
        assert any(line.startswith(f"| {query} |") for line in lines), query
    assert scratch_databases(scratch_database) == []


def scratch_databases(alias: str) -> list[str]:
    """Return the report's databases that still exist."""
    if connections[alias].vendor == "sqlite":
        directory = Path(connections[alias].settings_dict["NAME"]).parent
        return [path.name for path in directory.glob(f"{index_report.ALIAS}*")]
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{index_report.ALIAS}_%"])
        return [name for (name,) in cursor.fetchall()]
