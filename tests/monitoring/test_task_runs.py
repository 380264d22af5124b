"""Background tasks: one run at a time, bounded in time, counted; and a finding if they do not run."""

import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings
from django.utils import timezone
from django.utils.module_loading import import_string

from monitoring import exposition, task_runs
from monitoring.exposition import metrics_text
from monitoring.models import BackgroundTask
from monitoring.report import database_report
from monitoring.timeouts import TimeBudget
from orchestrator import background as work
from orchestrator import tasks
from orchestrator.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "fold_counts"
FROM_ELSEWHERE = """
import django
django.setup()
from monitoring import task_runs
print(task_runs.run("fold_counts", lambda _: 1))
"""


def row(name: str = NAME) -> BackgroundTask:
    return BackgroundTask.objects.get(name=name)


def output_of(command: str) -> Any:
    output = io.StringIO()
    call_command(command, json=True, stdout=output)
    return json.loads(output.getvalue())


def backdate(name: str, ago: timedelta) -> None:
    BackgroundTask.objects.filter(name=name).update(succeeded_at=timezone.now() - ago)


@pytest.fixture
def just_migrated() -> None:
    """The database was migrated just now, however long the tests have been running."""
    MigrationRecorder.Migration.objects.filter(app="monitoring").update(applied=timezone.now())


def found() -> dict[str, Any]:
    return {
        each.id: each for each in database_report(plans=False).findings if each.id.startswith("background")
    }


def test_a_run_while_another_one_is_under_way_does_nothing():
    inner: list[object] = []
    assert task_runs.run(NAME, lambda _: inner.append(task_runs.run(NAME, lambda _: 1)) or 7) == 7
    assert inner == [None]
    assert (row().runs, row().leased_until) == (1, None)


def test_another_process_sees_the_lease(database_url: str):
    def from_elsewhere(_: task_runs.MayGoOn) -> int:
        result = subprocess.run(
            [sys.executable, "-c", FROM_ELSEWHERE],
            env={**os.environ, "DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            check=True,
        )
        return 0 if result.stdout == "None\n" else 1

    assert task_runs.run(NAME, from_elsewhere) == 0


def test_the_command_and_the_task_share_the_lease():
    Job.objects.create(name="counted")

    def nested(_: task_runs.MayGoOn) -> int:
        assert output_of(NAME) == {"skipped": True}
        tasks.fold_counts()
        return 0

    task_runs.run(NAME, nested)
    assert row().runs == 1
    assert "folded" in output_of(NAME)
    tasks.fold_counts()
    assert row().runs == 3


def test_the_lease_of_a_run_that_was_killed_ends():
    def killed(_: task_runs.MayGoOn) -> int:
        # As if the process had died and its lease had run out: nothing else ends it.
        BackgroundTask.objects.filter(name=NAME).update(leased_until=timezone.now() - timedelta(seconds=1))
        assert task_runs.run(NAME, lambda _: 5) == 5
        return 2

    task_runs.run(NAME, killed)
    assert row().done == {"rows": 7}


def test_a_late_run_does_not_end_the_lease_of_its_successor():
    def late(_: task_runs.MayGoOn) -> int:
        until = timezone.now() + timedelta(hours=1)
        BackgroundTask.objects.filter(name=NAME).update(holder="successor", leased_until=until)
        return 0

    task_runs.run(NAME, late)
    assert row().holder == "successor"
    assert task_runs.run(NAME, lambda _: 1) is None


def test_a_run_starts_no_batch_after_its_time(monkeypatch: pytest.MonkeyPatch):
    clock = iter([100.0, 109.9, 110.1, 111.0])
    monkeypatch.setattr(task_runs, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    answers: list[bool] = []
    task_runs.run("requeue_expired", lambda may_go_on: answers.extend((may_go_on(), may_go_on())))
    assert answers == [True, False]


@pytest.mark.parametrize("function", [work.prune_idempotency_keys, work.requeue_expired])
def test_work_in_batches_stops_when_its_time_is_over(function: Any, monkeypatch: pytest.MonkeyPatch):
    statements: list[str] = []
    scheduled = [replaced(task, max_seconds=0) for task in settings.BACKGROUND_TASKS]
    monkeypatch.setattr(settings, "BACKGROUND_TASKS", scheduled)

    def record(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(record):
        function()
    assert not [
        sql for sql in statements if "DELETE FROM idempotency_keys" in sql or "lease_expires_at" in sql
    ]


def replaced(task: Any, **changed: Any) -> Any:
    return type(task)(**{**vars(task), **changed})


def test_a_failed_run_is_counted_and_gives_the_lease_back():
    with pytest.raises(ZeroDivisionError):
        task_runs.run(NAME, lambda _: 1 // 0)
    assert (row().runs, row().failures, row().error, row().succeeded_at) == (1, 1, "ZeroDivisionError", None)
    task_runs.run(NAME, lambda _: 3)
    assert (row().runs, row().failures, row().error, row().done) == (2, 1, "", {"rows": 3})


def test_a_run_that_is_interrupted_gives_the_lease_back():
    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        task_runs.run(NAME, interrupted)
    assert (row().leased_until, row().error) == (None, "KeyboardInterrupt")
    assert task_runs.run(NAME, lambda _: 3) == 3


def test_every_task_runs_and_is_counted():
    for task in settings.BACKGROUND_TASKS:
        import_string(task.path)()
        assert (row(task.name).runs, row(task.name).failures) == (1, 0), task.name


def test_a_run_of_a_command_is_counted_like_one_of_the_task():
    for task in settings.BACKGROUND_TASKS:
        if task.name != "partition_events":  # it converts the table: tests/partitions runs it on a copy
            call_command(task.name, *task.arguments.split(), json=True, stdout=io.StringIO())
            assert (row(task.name).runs, row(task.name).failures) == (1, 0), task.name


@override_settings(CACHE_URL=None)
def test_without_a_cache_the_audit_succeeds():
    tasks.cache_audit()
    assert row("cache_audit").error == ""


def test_the_report_and_the_metrics_show_the_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exposition, "_REPORT_TTL", 0)  # an earlier test may have made a report
    task_runs.run(NAME, lambda _: 4)
    report = database_report(plans=False).as_json()
    shown = {task["name"]: task for task in report["background_tasks"]}
    assert shown.keys() == {task.name for task in settings.BACKGROUND_TASKS}
    assert (shown[NAME]["runs"], shown[NAME]["done"], shown[NAME]["running"]) == (1, {"rows": 4}, False)
    assert shown["cache_audit"]["runs"] == 0

    text = metrics_text(TimeBudget()).decode()
    assert f'kyros_background_runs_total{{outcome="succeeded",task="{NAME}"}} 1.0' in text
    assert f'kyros_background_done_total{{task="{NAME}",what="rows"}} 4.0' in text
    assert f'kyros_background_success_timestamp_seconds{{task="{NAME}"}}' in text


@pytest.mark.usefixtures("just_migrated")
def test_a_task_that_has_not_succeeded_for_long_is_found():
    task_runs.run(NAME, lambda _: 4)
    assert found() == {}
    backdate(NAME, timedelta(minutes=9))
    assert found() == {}
    backdate(NAME, timedelta(minutes=11))
    (finding,) = found().values()
    assert finding.id == f"background:overdue:{NAME}"
    assert finding.action == f"python manage.py {NAME}"


@pytest.mark.usefixtures("just_migrated")
def test_tasks_that_nothing_has_ever_run_are_found():
    assert found() == {}
    MigrationRecorder.Migration.objects.filter(app="monitoring").update(
        applied=timezone.now() - timedelta(days=30)
    )
    task_runs.run(NAME, lambda _: 4)
    (finding,) = found().values()
    assert (finding.id, finding.level) == ("background:none", "info")
    assert set(finding.evidence["tasks"]) == {task.name for task in settings.BACKGROUND_TASKS} - {NAME}
