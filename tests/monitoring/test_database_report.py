"""The database report: measured figures, and findings that disappear once their action was run."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from monitoring import findings, readiness, report, rules, snapshots, table_statistics, timeouts
from monitoring.management.commands import db_report
from monitoring.models import Acknowledgement, TableSnapshot
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded
from orchestrator.models import Event, Job, Task
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

PATH = "/monitoring/performance/database"

pytestmark = pytest.mark.django_db(transaction=True)


def report_of(client: APIClient) -> dict:
    response = client.get(PATH)
    assert response.status_code == 200, response.content
    return response.json()["database_performance"]


def found(report: DatabaseReport) -> dict[str, findings.Finding]:
    return {finding.id: finding for finding in report.findings}


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def vacuumed() -> None:
    """Tables without the dead rows of earlier tests."""
    if connection.vendor == "postgresql":
        execute("VACUUM jobs, events, tasks, users")


class TestShape:
    @pytest.mark.one_engine
    def test_is_for_moderators(self, api: APIClient, as_user: APIClient):
        assert api.get(PATH).status_code == 401
        assert as_user.get(PATH).status_code == 403

    def test_has_the_promised_shape(self, as_moderator: APIClient, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("orchestrator.hot_queries._PAGE_SECONDS", 20)  # also on a busy machine
        Job.objects.create(name="j")

        report = report_of(as_moderator)

        assert report["errors"] == {}
        assert {"jobs", "events", "tasks", "users"} <= report["table_statistics"].keys()
        jobs = report["table_statistics"]["jobs"]
        assert (jobs["row_count"], jobs["exact"]) == (1, True)
        assert jobs["table_bytes"] > 0
        assert jobs["index_bytes"] > 0
        assert jobs["indexes"]["ix_jobs_status_created_at"]["bytes"] > 0
        assert report["cache_status"]["status"] == "healthy"
        assert {"query", "index", "expected", "ok", "ms"} <= report["query_plans"][0].keys()
        assert isinstance(report["connections"], dict)
        assert isinstance(report["slow_queries"], list)
        assert isinstance(report["recommendations"], list)
        assert isinstance(report["query_optimization"], list)

    @pytest.mark.sqlite
    def test_what_sqlite_does_not_provide_is_null(self, as_moderator: APIClient):
        jobs = report_of(as_moderator)["table_statistics"]["jobs"]
        assert jobs["indexes"]["ix_jobs_status"]["scans"] is None
        assert jobs["dead_rows"] is None

    @pytest.mark.postgres
    def test_figures_of_postgresql_are_shown(self, as_moderator: APIClient):
        report = report_of(as_moderator)
        assert report["table_statistics"]["jobs"]["indexes"]["ix_jobs_status"]["scans"] >= 0
        assert report["connections"]["in_use"] >= 1
        assert report["connections"]["maximum"] > 1
        assert report["replication"] == []


class TestFindings:
    def test_a_fresh_installation_has_none_above_info(
        self, vacuumed, as_moderator: APIClient, settings, tmp_path
    ):
        settings.METRICS_DIR = tmp_path  # other tests have statements that wait for a lock
        call_command("seed_demo", jobs=200, verbosity=0)
        assert [each for each in report_of(as_moderator)["recommendations"] if each["level"] != "info"] == []

    def test_a_dropped_index_is_found_and_the_action_creates_it(self):
        execute("DROP INDEX ix_tasks_title")
        finding = found(database_report(plans=False))["index:missing:ix_tasks_title"]
        assert finding.level == "critical"
        assert finding.evidence

        execute(*finding.action.removesuffix(";").split(";"))

        assert "index:missing:ix_tasks_title" not in found(database_report(plans=False))

    def test_a_dropped_table_is_found(self, as_moderator: APIClient):
        execute("ALTER TABLE tasks RENAME TO tasks_away")
        try:
            report = report_of(as_moderator)
            assert report["table_statistics"]["tasks"]["exists"] is False
            assert report["table_statistics"]["tasks"]["row_count"] is None
            assert report["table_statistics"]["jobs"]["exists"] is True
            assert "table:missing:tasks" in {each["id"] for each in report["recommendations"]}
        finally:
            execute("ALTER TABLE tasks_away RENAME TO tasks")

    def test_expired_rows_are_counted(self, settings):
        old = timezone.now() - timedelta(days=settings.EVENT_RETENTION_DAYS + 1)
        Event.objects.bulk_create([Event(type="x", created_at=old) for _ in range(3)])
        Event.objects.create(type="x")

        finding = found(database_report(plans=False))["table:archive:events"]
        assert finding.level == "info"
        assert finding.evidence["rows"] == 3
        assert finding.evidence["bytes"] > 0
        assert finding.action == "python manage.py archive --table events"

    @pytest.mark.postgres
    def test_an_invalid_index_is_found(self):
        execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_tasks_title'::regclass")
        finding = found(database_report(plans=False))["index:invalid:ix_tasks_title"]
        execute(finding.action.removesuffix(";"))
        assert "index:invalid:ix_tasks_title" not in found(database_report(plans=False))

    @pytest.mark.postgres
    def test_partitions_are_recommended_for_many_rows(self):
        execute(
            "INSERT INTO events (id, type, payload, created_at)"
            " SELECT gen_random_uuid(), 'x', '{}', now() FROM generate_series(1, 10001)"
        )
        finding = found(database_report(plans=False))["table:partition:events"]
        assert finding.evidence["rows"] == 10001

    @pytest.mark.slow
    def test_large_tables_need_statistics(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rules.tables, "_AUTOVACUUM_DELAY", timedelta(0))
        Task.objects.bulk_create([Task(title=f"t{number}") for number in range(10_000)], batch_size=1000)
        if connection.vendor == "postgresql":
            # PostgreSQL reports changes late unless they are flushed.
            execute("ANALYZE tasks", "UPDATE tasks SET version = 2", "SELECT pg_stat_force_next_flush()")
        assert found(database_report(plans=False))["table:statistics:tasks"].level == "warning"

        execute("ANALYZE tasks")
        assert "table:statistics:tasks" not in found(database_report(plans=False))

    @pytest.mark.one_engine
    def test_contradicting_settings_are_found(self, settings):
        settings.JWT_ACCESS_MINUTES, settings.JWT_REFRESH_MINUTES = 60, 10
        assert found(database_report(plans=False))["settings:tokens"].evidence["JWT_ACCESS_MINUTES"] == 60


@pytest.mark.one_engine
class TestAcknowledgements:
    def test_a_user_without_a_name_can_acknowledge(self, monkeypatch: pytest.MonkeyPatch, capsys):
        for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr(os, "getuid", lambda: 54321)  # as in a container that was started with --user
        with pytest.raises(SystemExit):
            call_command("db_report", acknowledge="settings:tokens", reason="for a demonstration")
        assert Acknowledgement.objects.get().by == "uid 54321"

    def test_an_acknowledged_finding_is_info_with_its_reason(self, vacuumed, settings, capsys):
        settings.JWT_ACCESS_MINUTES, settings.JWT_REFRESH_MINUTES = 60, 10
        with pytest.raises(SystemExit) as before:
            call_command("db_report", json=True)
        assert before.value.code == 1
        capsys.readouterr()

        with pytest.raises(SystemExit) as after:
            call_command("db_report", json=True, acknowledge="settings:tokens", reason="for a demonstration")
        assert after.value.code == 0

        report = json.loads(capsys.readouterr().out)["database_performance"]
        (finding,) = (each for each in report["recommendations"] if each["id"] == "settings:tokens")
        assert finding["level"] == "info"
        assert finding["acknowledged"]["reason"] == "for a demonstration"
        assert Acknowledgement.objects.get().finding == "settings:tokens"


@pytest.mark.one_engine
def test_a_name_in_a_finding_cannot_control_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys):
    name = "évil\x1b[2J\n    -> curl\u202e"
    finding = findings.Finding(
        f"worker:{name}", "warning", f"The worker {name}", {"name": name}, "restart it"
    )
    shown = DatabaseReport(cache=database_report(plans=False).cache, findings=(finding,))
    monkeypatch.setattr(db_report, "database_report", lambda: shown)
    with pytest.raises(SystemExit):
        call_command("db_report")
    escaped = r"évil\x1b[2J\n    -> curl\u202e"
    assert capsys.readouterr().out.splitlines() == [
        f"WARNING  The worker {escaped}  [worker:{escaped}]",
        f"    name: {escaped}",
        "    -> restart it",
    ]


class TestSnapshots:
    def test_there_is_one_an_hour(self):
        assert snapshots.take() == 4
        assert snapshots.take() == 0
        assert TableSnapshot.objects.count() == 4

    def test_growth_is_computed_from_them(self):
        snapshots.take()
        yesterday = timezone.now() - timedelta(days=1)
        TableSnapshot.objects.update(hour=yesterday, measured_at=yesterday)
        Task.objects.bulk_create([Task(title="t") for _ in range(100)])

        (tasks,) = (table for table in database_report(plans=False).tables if table.name == "tasks")
        assert tasks.rows_per_day is not None
        assert round(tasks.rows_per_day) == 100
        assert tasks.bytes_per_day is not None

    def test_old_ones_are_deleted(self):
        long_ago = timezone.now() - snapshots.KEPT_FOR - timedelta(days=1)
        TableSnapshot.objects.create(table="tasks", hour=long_ago, rows=1, exact=True)
        snapshots.take()
        assert not TableSnapshot.objects.filter(hour=long_ago).exists()


@pytest.mark.one_engine
class TestCommands:
    def test_table_stats_agrees_with_the_endpoint(self, as_moderator: APIClient, capsys):
        Job.objects.create(name="j")
        call_command("table_stats", json=True, verify=True)
        document = json.loads(capsys.readouterr().out)
        shown = report_of(as_moderator)["table_statistics"]
        assert document["table_statistics"]["jobs"]["row_count"] == shown["jobs"]["row_count"] == 1
        assert all(row["right"] for row in document["verified"])

    def test_text_names_the_indexes(self, capsys):
        call_command("table_stats")
        assert "ix_jobs_status_created_at" in capsys.readouterr().out


@pytest.mark.one_engine
def test_a_frozen_cache_leaves_the_figures_of_the_database(
    valkey_server: Callable[..., ValkeyServer], settings
):
    server = valkey_server()
    settings.CACHE_URL = server.url
    settings.CACHES = {
        **settings.CACHES,
        "default": {
            **settings.CACHES["default"],
            "LOCATION": f"{server.url}&socket_timeout=0.1&socket_connect_timeout=0.1",
        },
    }
    server.freeze()
    try:
        report = database_report()
    finally:
        server.thaw()
    assert report.cache.status == "unhealthy"
    assert report.tables
    assert "cache:unreachable" in found(report)


@pytest.mark.postgres
def test_a_locked_table_costs_only_its_section():
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        report = database_report(plans=False)
        assert "tables" in report.errors
        assert report.server
    finally:
        other.rollback()
        other.close()


@pytest.mark.postgres
def test_an_exhausted_pool_does_not_look_like_a_database_that_is_down():
    pool: Any = connection.pool  # type: ignore[attr-defined]
    stats = pool.get_stats()
    lent = [pool.getconn() for _ in range(stats["pool_max"] - stats["pool_size"] + stats["pool_available"])]
    try:
        assert pool.get_stats()["pool_available"] == 0
        report = database_report(plans=False)
    finally:
        for each in lent:
            pool.putconn(each)
    assert report.errors == {}
    assert "database:unreachable" not in found(report)


def test_a_database_that_responds_to_other_queries_is_alive(monkeypatch: pytest.MonkeyPatch):
    end = threading.Event()
    monkeypatch.setattr(readiness, "ping", end.wait)  # as on a busy machine
    try:
        began = time.monotonic()
        execute("SELECT 1")
        assert report._is_alive(began, TimeBudget(0.05))  # noqa: SLF001
        assert not report._is_alive(time.monotonic(), TimeBudget(0.05))  # noqa: SLF001
    finally:
        end.set()


def test_time_spent_waiting_is_restored_by_a_response():
    budget, end = TimeBudget(20), threading.Event()
    call = BoundedCall(end.wait)
    with pytest.raises(TimeBudgetExceeded):
        budget.result(call, 0.02)
    assert budget.left <= 19.98
    end.set()
    assert budget.result(call)
    assert budget.left == 20


@pytest.mark.postgres
@pytest.mark.parametrize("path", [PATH, "/monitoring/cache/health", "/metrics"])
def test_authentication_does_not_wait_for_a_database_that_hangs(
    path: str, as_moderator: APIClient, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
):
    valkey.flush()  # it no longer has the cached users
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        with monkeypatch.context() as hurried:
            hurried.setattr(timeouts, "TIME_BUDGET_SECONDS", 0.1)
            response = as_moderator.get(path)
    finally:
        other.rollback()
        other.close()
    assert response.status_code == 503
    assert "database does not respond" in str(response.data["detail"])
    assert as_moderator.get(path).status_code == 200


@pytest.mark.postgres
def test_partitions_are_added_to_their_parent():
    execute(
        "CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at)",
        "CREATE INDEX ix_parts_at ON parts (at)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
        "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
        "INSERT INTO parts SELECT n, '2026-01-01'::date + n % 59 FROM generate_series(1, 1000) AS n",
    )
    try:
        (parts,) = table_statistics.measure(connection, ["parts"], {"parts": 1000})
        assert (parts.row_count, parts.exact, parts.partitions) == (1000, True, 2)
        (index,) = parts.indexes
        assert index.name == "ix_parts_at"
        assert (parts.table_bytes or 0) >= 2 * 8192
        assert (index.bytes or 0) == parts.index_bytes
    finally:
        execute("DROP TABLE parts")


@pytest.mark.sqlite
@pytest.mark.slow
def test_a_database_that_refuses_connections_is_critical():
    def refused() -> dict[str, Any] | None:
        """Return the report; None if a busy machine was too slow for its call to the cache server."""
        result = subprocess.run(
            [sys.executable, "manage.py", "db_report", "--json"],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 1
        found: dict[str, Any] = json.loads(result.stdout)["database_performance"]
        return found if found["cache_status"]["status"] == "healthy" else None

    env = {"DATABASE_URL": "postgresql://nobody@/x?host=/nowhere", "DB_POOL_MAX_SIZE": "0"}
    report = wait_until(refused, what="report of a healthy cache")
    assert "database:unreachable" in {each["id"] for each in report["recommendations"]}
