"""The rules: what each says of figures that are made up, and that it says nothing of healthy ones."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring import rules
from monitoring.cache_report import CacheHealth, Family, Hits, Outbox, ServerFigures
from monitoring.disk import Disk
from monitoring.findings import Finding
from monitoring.index_catalog import Index
from monitoring.index_usage import DropProof, IndexUsage
from monitoring.partitions import Partitioned
from monitoring.pools import PoolFigures
from monitoring.report import DatabaseReport
from monitoring.tables import TableFigures

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

    @pytest.mark.parametrize(
        ("changed", "minutes", "told"), [(20_000, 60, True), (20_000, 1, False), (100, 60, False)]
    )
    def test_statistics_are_old_when_nobody_made_new_ones(self, changed: int, minutes: int, *, told: bool):
        analyzed = datetime.now(UTC) - timedelta(minutes=minutes)
        table = TableFigures(
            "jobs",
            row_count=50_000,
            estimated_rows=50_000,
            changed_since_analyze=changed,
            last_analyze=analyzed,
        )
        findings = found(DatabaseReport(cache=cache(), tables=(table,)))
        assert ("table:statistics:jobs" in findings) is told

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
        use = IndexUsage(index, scans, None, since, 8192, prefix_of, (), (), "", DropProof(9, ()))
        table = TableFigures("jobs", row_count=50_000, estimated_rows=50_000)
        findings = found(DatabaseReport(cache=cache(), tables=(table,), index_uses=(use,)))
        assert set(findings) == ({f"index:{kind}:ix_narrow"} if kind else set())

    @pytest.mark.parametrize(
        ("server", "action"),
        [
            ({"server": "PostgreSQL 18"}, "DROP INDEX CONCURRENTLY ix_narrow;"),
            ({"journal_mode": "wal"}, "DROP INDEX ix_narrow;"),
        ],
    )
    def test_one_that_no_model_declares_goes_beside_writers(self, server: dict, action: str):
        use = IndexUsage(
            Index("ix_narrow", "jobs", ("a",)), 0, None, None, 8, ("ix",), (), (), "", DropProof(9, ())
        )
        table = TableFigures("jobs", row_count=50_000, estimated_rows=50_000)
        report = DatabaseReport(cache=cache(), tables=(table,), index_uses=(use,), server=server)
        assert found(report)["index:redundant:ix_narrow"].action == action

    @pytest.mark.parametrize("proof", [None, DropProof(9, ("jobs",))], ids=["not tried", "loses a plan"])
    def test_none_is_needless_without_a_proof(self, proof: DropProof | None):
        long_ago = datetime.now(UTC) - timedelta(days=30)
        use = IndexUsage(Index("ix_narrow", "jobs", ("a",)), 0, None, long_ago, 8192, (), (), (), "", proof)
        table = TableFigures("jobs", row_count=50_000, estimated_rows=50_000)
        assert found(DatabaseReport(cache=cache(), tables=(table,), index_uses=(use,))) == {}


class TestConnections:
    def test_a_server_that_is_nearly_full(self):
        report = DatabaseReport(cache=cache(), connections={"maximum": 100, "in_use": 85})
        assert found(report)["connections:limit"].level == "critical"

    def test_a_replica_that_is_behind(self):
        replica = {"name": "copy", "lag_seconds": 60.0, "lag_bytes": 5}
        assert "replica:lag:copy" in found(DatabaseReport(cache=cache(), replication=(replica,)))


class TestPools:
    def test_pools_that_want_more_than_there_is(self, settings):
        settings.WEB_WORKERS, settings.DB_POOL_MAX_SIZE = 8, 20
        report = DatabaseReport(cache=cache(), connections={"maximum": 97, "in_use": 5})
        assert found(report)["connections:pools"].action == "DB_POOL_MAX_SIZE=12"

    @pytest.mark.parametrize(
        ("figures", "server", "action"),
        [
            ({"most_used": 4, "queued": 200}, {}, "DB_POOL_MAX_SIZE=8"),
            ({"most_used": 4, "queued": 200}, {"maximum": 97}, "DB_POOL_MAX_SIZE=8"),
            ({"most_used": 4, "queued": 1, "errors": 1}, {}, "DB_POOL_MAX_SIZE=8"),
            ({"most_used": 3, "queued": 200}, {}, "DB_POOL_MIN_SIZE=3"),
        ],
        ids=["full", "the server has room", "none in time", "grows too late"],
    )
    def test_one_that_is_too_small(self, figures: dict, server: dict, action: str):
        pools = tuple(
            PoolFigures(pid, "default", minimum=2, maximum=4, requests=1000, wait_ms=900, **figures)
            for pid in (1, 2)
        )
        finding = found(DatabaseReport(cache=cache(), pools=pools, connections=server))["pool:small:default"]
        assert (finding.evidence["waited"], finding.action) == (2 * figures["queued"], action)
        assert finding.evidence["mean_wait_ms"] == round(900 / figures["queued"], 1)

    def test_one_that_is_too_small_for_a_server_that_is_too_small(self):
        pool = PoolFigures(1, "default", maximum=60, most_used=60, requests=1000, queued=500)
        report = DatabaseReport(cache=cache(), pools=(pool,), connections={"maximum": 97, "in_use": 60})
        assert "max_connections = 240" in found(report)["pool:small:default"].action

    @pytest.mark.parametrize(
        "figures",
        [
            {"requests": 1000, "queued": 9, "most_used": 10},
            {"requests": 100, "queued": 50, "most_used": 10},
            {"requests": 100, "errors": 5, "most_used": 3},
        ],
        ids=["hardly ever", "too few to tell", "the server's fault"],
    )
    def test_one_that_is_large_enough(self, figures: dict):
        pool = PoolFigures(1, "default", minimum=2, maximum=10, size=10, **figures)
        assert found(DatabaseReport(cache=cache(), pools=(pool,))) == {}

    def test_one_that_is_too_large_for_its_server(self):
        pools = tuple(
            PoolFigures(pid, "default", size=2, minimum=2, maximum=20, most_used=2, requests=1000)
            for pid in (1, 2, 3)
        )
        report = DatabaseReport(cache=cache(), pools=pools, connections={"maximum": 97, "in_use": 6})
        finding = found(report)["pool:large:default"]
        assert (finding.level, finding.evidence["never_used_share"]) == ("info", 0.9)
        assert finding.action == "DB_POOL_MIN_SIZE=2\nDB_POOL_MAX_SIZE=4"
        assert found(DatabaseReport(cache=cache(), pools=pools[:1], connections={"maximum": 97})) == {}

    def test_one_that_keeps_connections_for_nobody(self):
        pool = PoolFigures(1, "default", size=30, minimum=30, maximum=30, most_used=3, requests=5000)
        finding = found(DatabaseReport(cache=cache(), pools=(pool,)))["pool:large:default"]
        assert finding.evidence["open_and_never_used"] == 27
        assert finding.action == "DB_POOL_MIN_SIZE=3\nDB_POOL_MAX_SIZE=6"


class TestSettings:
    @pytest.mark.parametrize(
        ("changed", "finding", "level"),
        [
            ({"DEBUG": True, "ALLOWED_HOSTS": ["kyros.example.com"]}, "settings:debug", "critical"),
            ({"JWT_ACCESS_MINUTES": 60, "JWT_REFRESH_MINUTES": 10}, "settings:tokens", "warning"),
            ({"SQL_ECHO": True}, "settings:echo", "info"),
            (
                {"CSRF_TRUSTED_ORIGINS": ["https://kyros.example.com"], "HTTPS_ONLY": False},
                "settings:https",
                "warning",
            ),
        ],
    )
    def test_those_that_contradict_each_other_are_told(
        self, settings, changed: dict, finding: str, level: str
    ):
        for name, value in changed.items():
            setattr(settings, name, value)
        findings = found(DatabaseReport(cache=cache()))
        assert {each.id: each.level for each in findings.values()} == {finding: level}

    @pytest.mark.parametrize(("backend", "found_there"), [("sqlite3", True), ("postgresql", False)])
    def test_copies_of_a_file_are_none(
        self, settings, monkeypatch: pytest.MonkeyPatch, backend: str, *, found_there: bool
    ):
        settings.DATABASE_REPLICAS = ["replica1"]
        monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", f"orchestrator.db.{backend}")
        assert ("settings:replicas" in found(DatabaseReport(cache=cache()))) is found_there


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


class TestRoom:
    @pytest.mark.parametrize(
        ("free", "grown_for", "level"),
        [(10, 3.0, "critical"), (20, 3.0, "warning"), (10, 0.1, "info"), (100, 3.0, None), (None, 3.0, None)],
    )
    def test_the_days_that_are_left(self, free: int | None, grown_for: float, level: str | None):
        disk = Disk(free and free * GIB, 500 * GIB, 2.0 * GIB, grown_for)
        findings = found(DatabaseReport(cache=cache(), disk=disk))
        assert [(each.level, each.evidence["days_left"]) for each in findings.values()] == (
            [(level, free and free / 2)] if level else []
        )

    @pytest.mark.parametrize(
        ("days", "has_default", "level"),
        [(0.0, False, "critical"), (0.5, False, "critical"), (0.5, True, "warning"), (5.0, False, "warning")],
    )
    def test_the_days_of_partitions_that_are_left(self, days: float, *, has_default: bool, level: str):
        parted = Partitioned("parts", "at", 2, has_default, datetime.now(UTC), days, "CREATE TABLE …;")
        finding = found(DatabaseReport(cache=cache(), partitioned=(parted,)))["partitions:runway:parts"]
        assert (finding.level, finding.action) == (level, "CREATE TABLE …;")

    @pytest.mark.parametrize("days", [8.0, None])
    def test_partitions_that_last(self, days: float | None):
        parted = Partitioned("parts", "at", 2, has_default=False, days=days)
        assert found(DatabaseReport(cache=cache(), partitioned=(parted,))) == {}

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
