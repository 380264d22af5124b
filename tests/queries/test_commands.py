"""The command `explain_queries`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from orchestrator.models import Task

Execute = Callable[[str], list[tuple[Any, ...]]]


def run(command: str, *arguments: str, status: int = 0) -> str:
    """Run a command, check its exit status, and return its output."""
    output = StringIO()
    code = 0
    try:
        call_command(command, *arguments, stdout=output, stderr=StringIO())
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == status, output.getvalue()
    return output.getvalue()


def refused(command: str, *arguments: str) -> str:
    """Run a command that fails with exit status 2, and return its one-line message."""
    with pytest.raises(CommandError) as refusal:
        call_command(command, *arguments, stdout=StringIO(), stderr=StringIO())
    assert refusal.value.returncode == 2
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.usefixtures("empty_tables")
def test_all_as_declared_is_status_0() -> None:
    table = run("explain_queries")
    assert "jobs by status " in table
    assert "0 not as declared." in table
    assert "NOT" not in table


@pytest.mark.usefixtures("empty_tables")
def test_another_index_of_a_tiny_table_is_no_failure(execute: Execute, engine: str) -> None:
    Task.objects.bulk_create(Task(title="Review") for _ in range(5))
    execute("ANALYZE tasks")
    (by_title,) = (
        line for line in run("explain_queries").splitlines() if "tasks by title, next page" in line
    )
    assert by_title.startswith("ok")
    assert ("too few rows to tell: served by ix_tasks_created_at" in by_title) == (engine == "postgres")
    execute("DROP INDEX ix_tasks_title_created_at")
    assert "ix_tasks_title_created_at does not exist" in run("explain_queries", status=1)


@pytest.mark.usefixtures("empty_tables")
def test_a_query_of_a_tiny_table_that_no_index_serves_is_status_1(execute: Execute) -> None:
    Task.objects.bulk_create(Task(title="Review") for _ in range(5))
    execute("ANALYZE tasks")
    for index in ("title", "title_created_at"):
        execute(f"DROP INDEX ix_tasks_{index}")
    assert "ix_tasks_title does not exist; no index serves it" in run("explain_queries", status=1)


@pytest.mark.django_db
def test_a_dropped_index_is_status_1(execute: Execute) -> None:
    execute("DROP INDEX ix_jobs_status_created_at")
    table = run("explain_queries", status=1)
    assert "ix_jobs_status_created_at does not exist" in table
    document = json.loads(run("explain_queries", "--json", status=1))
    wrong = [entry["query"] for entry in document["queries"] if not entry["ok"]]
    assert document["ok"] is False
    assert "jobs by status" in wrong


@pytest.mark.usefixtures("rows")
def test_json_contains_the_plans() -> None:
    document = json.loads(run("explain_queries", "--json", "--analyze"))
    entry = next(entry for entry in document["queries"] if entry["query"] == "jobs by status")
    assert document["ok"] is document["analyzed"] is entry["ok"] is True
    assert entry["index"] == entry["expected"] == "ix_jobs_status_created_at"
    assert entry["conditions"] == ["status"]
    assert entry["rows"] > 0
    assert isinstance(entry["ms"], float)


@pytest.mark.usefixtures("empty_tables")
def test_without_shows_what_an_index_serves_and_drops_nothing() -> None:
    document = json.loads(run("explain_queries", "--without", "ix_jobs_started_at", "--json", status=1))
    assert {entry["table"] for entry in document["queries"]} == {"jobs"}
    assert [entry["query"] for entry in document["queries"] if "no index serves it" in entry["problems"]]
    assert "0 not as declared." in run("explain_queries")


@pytest.mark.usefixtures("empty_tables")
def test_an_unneeded_index_can_be_dropped(execute: Execute) -> None:
    execute("CREATE INDEX ix_jobs_attempts ON jobs (attempts)")
    assert "0 not as declared." in run("explain_queries", "--without", "ix_jobs_attempts")


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [["ix_x"], ["ix_jobs_started_at", "--analyze"]])
def test_without_refuses_an_unknown_index_and_analyze(arguments: list[str]) -> None:
    assert "--without" in refused("explain_queries", "--without", *arguments)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command", ["explain_queries", "cache_audit", "fold_counts", "prune_idempotency_keys", "roll_up_minutes"]
)
def test_a_database_that_is_not_migrated_is_refused(command: str, execute: Execute) -> None:
    execute("DELETE FROM django_migrations WHERE app = 'orchestrator' AND name LIKE '0002%'")
    assert "is not migrated" in refused(command)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("explain_queries", "The database is not available"),
        ("cache_audit", "The database is not available"),
        ("snapshot_tables", "The tables cannot be measured"),
    ],
)
def test_a_database_that_cannot_be_reached_is_refused(command: str, message: str, tmp_path: Path) -> None:
    url = {
        "sqlite": f"sqlite:///{tmp_path}/no/such.sqlite3",
        "postgresql": "postgresql://kyros@127.0.0.1:1/kyros",
    }[connection.vendor]
    result = subprocess.run(
        [sys.executable, "manage.py", command],
        env={**os.environ, "DATABASE_URL": url, "DB_POOL_MAX_SIZE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
