"""The rules: what each says of figures that are made up, and that it says nothing of healthy ones."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from monitoring import rules
from monitoring.caching import CacheHealth, Family, Hits, Outbox, ServerFigures
from monitoring.catalogue import Index
from monitoring.findings import Finding
from monitoring.indexes import Use
from monitoring.pools import PoolFigures
from monitoring.report import DatabaseReport
from monitoring.tables import Growth, TableFigures

GIB = 1024**3
HEALTHY = ServerFigures("valkey 9", 0.1, 3600, 3, 1_000_000, 100_000_000, 0, 1000)


def found(report: DatabaseReport) -> dict[str, Finding]:
    findings = {finding.id: finding for finding in rules.findings(report)}
    assert all(finding.evidence and finding.action and finding.title for finding in findings.values())
    return findings


def cache(**figures: object) -> CacheHealth:
    return CacheHealth("healthy", connection=True, breaker="closed", figures=HEALTHY, **figures)


def test_nothing_is_said_of_what_is_healthy():
    tables = (TableFigures("jobs", row_count=5, exact=True, estimated_rows=5),)
    assert found(DatabaseReport(cache=cache(), tables=tables)) == {}


class TestCache:
    def test_longer_times_to_live_are_advised_where_answers_end_by_age(self):
        jobs = Family(
            60, Hits(0, 0, 0), Hits(hits=600, misses=400, bypasses=0), invalidations=0, invalidations_hour=40
        )
        finding = found(DatabaseReport(cache=cache(families={"jobs": jobs})))["cache:ttl:jobs"]
        # Of 400 misses 40 followed a change and stay; of the others four times the time spares three in four.
        assert finding.evidence["expected_hit_rate"] == pytest.approx((600 + 360 * 0.75) / 1000)
        assert finding.action == "CACHE_TTL_JOB_LIST=240"

    @pytest.mark.parametrize(
        ("hour", "changes"),
        [(Hits(600, 400, 0), 400), (Hits(9990, 10, 0), 0), (Hits(0, 0, 0), 0)],
        ids=["changed all the time", "hardly a miss", "nobody asked"],
    )
    def test_and_not_where_they_would_change_nothing(self, hour: Hits, changes: int):
        jobs = Family(60, Hits(0, 0, 0), hour, invalidations=changes, invalidations_hour=changes)
        assert found(DatabaseReport(cache=cache(families={"jobs": jobs}))) == {}

    def test_short_memory_is_told_with_the_new_limit(self):
        figures = ServerFigures("valkey 9", 0.1, 3600, 3, 95, 100, 7, 1000)
        health = CacheHealth("degraded", connection=True, figures=figures, evicted_hour=7)
        findings = found(DatabaseReport(cache=health))
        assert findings["cache:evictions"].action == "CONFIG SET maxmemory 200"
        assert findings["cache:memory"].evidence["memory_bytes"] == 95

    def test_a_lost_server_is_critical(self):
        health = CacheHealth("unhealthy", error="refused", breaker="open")
        assert found(DatabaseReport(cache=health))["cache:unreachable"].level == "critical"

    def test_invalidations_that_wait_are_told(self):
        assert "cache:backlog" in found(DatabaseReport(cache=cache(outbox=Outbox(9, 60.0))))
        assert found(DatabaseReport(cache=cache(outbox=Outbox(9, 0.1)))) == {}

    def test_a_wrong_answer_is_critical(self):
        health = cache(audited={"equal": 99, "stale": 1, "gone": 0})
        assert found(DatabaseReport(cache=health))["cache:stale"].level == "critical"


class TestTables:
    def test_dead_rows_want_a_vacuum(self):
        table = TableFigures("jobs", row_count=50_000, estimated_rows=50_000, dead_rows=20_000)
        finding = found(DatabaseReport(cache=cache(), tables=(table,)))["table:vacuum:jobs"]
        assert finding.action == "VACUUM (ANALYZE) jobs;"

    def test_large_tables_that_are_read_from_end_to_end_are_told(self):
        table = TableFigures(
            "jobs",
            row_count=50_000,
            estimated_rows=50_000,
            sequential_scans=2000,
            sequential_rows=2000 * 50_000,
            index_scans=3000,
        )
        assert "table:scans:jobs" in found(DatabaseReport(cache=cache(), tables=(table,)))


class TestIndexes:
    @pytest.mark.parametrize(
        ("prefix_of", "since", "kind"),
        [
            (("ix_wide",), None, "redundant"),
            ((), datetime.now(UTC) - timedelta(days=30), "unused"),
            ((), datetime.now(UTC) - timedelta(days=1), None),
            ((), None, None),
        ],
    )
    def test_needless_ones_are_told(self, prefix_of: tuple, since: datetime | None, kind: str | None):
        scans = 0 if since else None
        index = Index("ix_narrow", "jobs", ("a",))
        use = Use(index, scans, None, since, 8192, prefix_of, (), (), "")
        table = TableFigures("jobs", row_count=50_000, estimated_rows=50_000)
        findings = found(DatabaseReport(cache=cache(), tables=(table,), index_uses=(use,)))
        assert set(findings) == ({f"index:{kind}:ix_narrow"} if kind else set())


class TestConnections:
    def test_pools_that_want_more_than_there_is(self, settings):
        settings.WEB_WORKERS, settings.DB_POOL_MAX_SIZE = 8, 20
        report = DatabaseReport(cache=cache(), connections={"maximum": 97, "in_use": 5})
        assert found(report)["connections:pools"].action == "DB_POOL_MAX_SIZE=12"

    def test_a_server_that_is_nearly_full(self):
        report = DatabaseReport(cache=cache(), connections={"maximum": 100, "in_use": 85})
        assert found(report)["connections:limit"].level == "critical"

    def test_requests_that_wait(self, settings):
        settings.DB_POOL_MAX_SIZE = 4
        pools = tuple(PoolFigures(pid, "default", requests=1000, queued=200, wait_ms=9) for pid in (1, 2))
        finding = found(DatabaseReport(cache=cache(), pools=pools))["connections:waiting:default"]
        assert (finding.evidence["waited"], finding.action) == (400, "DB_POOL_MAX_SIZE=8")

    def test_a_replica_that_is_behind(self):
        replica = {"name": "copy", "lag_seconds": 60.0, "lag_bytes": 5}
        assert "replica:lag:copy" in found(DatabaseReport(cache=cache(), replication=(replica,)))


class TestSessions:
    def test_a_blocked_one_names_who_holds_the_lock(self):
        session = {
            "pid": 7,
            "transaction_seconds": 9.0,
            "blocked_by": [5],
            "state": "active",
            "application": "kyros",
        }
        finding = found(DatabaseReport(cache=cache(), sessions=(session,)))["session:7"]
        assert finding.action == "SELECT pg_terminate_backend(5);"


def test_slow_statements_and_repeated_ones_are_told():
    slow = {"query": "SELECT 1", "calls": 50, "mean_ms": 900.0, "total_ms": 45_000.0}
    suspect = {"route": "api/v1/x/", "statement": "SELECT 2", "requests": 50}
    findings = found(DatabaseReport(cache=cache(), slow_queries=(slow,), suspects=(suspect,)))
    assert {each.partition(":")[0] for each in findings} == {"statement", "repeated"}


@pytest.mark.sqlite
class TestDisk:
    def test_the_days_that_are_left(self, monkeypatch: pytest.MonkeyPatch):
        usage = shutil.disk_usage("/")._replace(free=10 * GIB)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        growth = Growth(1000.0, 2.0 * GIB, datetime.now(UTC))
        table = TableFigures("jobs", row_count=1, growth=growth)
        report = DatabaseReport(cache=cache(), tables=(table,), server={"journal_mode": "wal"})
        finding = found(report)["disk:runway"]
        assert (finding.level, finding.evidence["days"]) == ("critical", 5.0)

    def test_a_journal_and_a_file_that_are_too_large(self):
        server = {"journal_mode": "wal", "wal_bytes": GIB, "bytes": 4 * GIB, "free_bytes": 2 * GIB}
        assert {"disk:journal", "disk:free-pages"} == set(found(DatabaseReport(cache=cache(), server=server)))


class TestDatabase:
    def test_one_that_does_not_answer_is_critical(self):
        report = DatabaseReport(cache=cache(), errors={"server": "no answer"})
        assert found(report)["database:unreachable"].level == "critical"

    def test_an_empty_one_wants_to_be_migrated(self):
        tables = (TableFigures("jobs", exists=False), TableFigures("tasks", exists=False))
        findings = found(DatabaseReport(cache=cache(), tables=tables))
        assert [each.action for each in findings.values()] == ["python manage.py migrate"]
