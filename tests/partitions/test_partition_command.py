"""The command partition_events."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command

from monitoring.models import BackgroundTask
from orchestrator import counts
from orchestrator.partitions import short_locks
from tests.polling import wait_until


def text(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("partition_events", *arguments)
    return capsys.readouterr().out


@pytest.mark.sqlite
@pytest.mark.django_db
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_on_sqlite_there_is_nothing_to_do(dry_run: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert text(capsys, *dry_run) == "SQLite has no partitions: there is nothing to do.\n"
    assert json.loads(text(capsys, *dry_run, "--json"))["state"] == "unsupported"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_dry_run_a_run_and_another_one(plain_database: None, capsys: pytest.CaptureFixture[str]) -> None:
    planned = text(capsys, "--dry-run")
    assert planned.startswith("Would be converted; its rows are in events_until_")
    assert planned.splitlines()[-1].startswith(
        "There would be 3 coming partitions; the last one would end at"
    )
    assert json.loads(text(capsys, "--dry-run", "--json"))["state"] == "plain"
    done = text(capsys)
    assert done.splitlines()[:2] == [
        line.replace("Would be ", "").capitalize() for line in planned.splitlines()[:2]
    ]
    again = json.loads(text(capsys, "--json"))
    assert (again["state"], again["converted"], again["created"], again["coming"]) == (
        "partitioned",
        None,
        [],
        3,
    )
    assert BackgroundTask.objects.get(name="partition_events").runs == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_kept_is_one_clear_line(
    plain_database: None, database_url_now: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short_locks, "WAITS", (0.2, 0.2))
    with psycopg.connect(database_url_now) as reader:
        reader.execute("SELECT count(*) FROM events")
        with pytest.raises(CommandError, match="A transaction uses the table events"):
            call_command("partition_events")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_killed_is_continued_by_the_next_one(
    plain_database: None, database_url_now: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "manage.py", "partition_events"]
    root = Path(__file__).resolve().parents[2]
    with (
        psycopg.connect(database_url_now) as reader,
        psycopg.connect(database_url_now, autocommit=True) as other,
    ):
        reader.execute("SELECT count(*) FROM events")
        environment = {**os.environ, "DATABASE_URL": database_url_now}
        with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL) as run:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
            wait_until(lambda: other.execute(waiting, ["ALTER TABLE events ADD%"]).fetchone())
            run.kill()
    # The killed run's session ends when its statement does.
    wait_until(lambda: json.loads(text(capsys, "--json"))["state"] == "partitioned")
    assert counts.rows_of("events") == 0
