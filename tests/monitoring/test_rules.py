"""The monitoring's rules: what each finds in made-up figures, and that healthy figures have no finding."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring import connection_pools, registry, rules
from monitoring.cache_report import CacheHealth, Family, Hits, Outbox, ServerFigures
from monitoring.disk_space import Disk
from monitoring.findings import Finding
from monitoring.index_catalog import Index
from monitoring.index_usage import DropProof, IndexUsage
from monitoring.report_data import DatabaseReport
from monitoring.retention import Expired, Retention
from monitoring.table_statistics import IndexFigures, TableFigures

pytestmark = pytest.mark.engine_neutral

GIB = 1024**3
FIGURES = (*connection_pools._FIGURES, "most_used")  # noqa: SLF001
NO_HITS = Hits(hits=0, misses=0, bypasses=0)


def found(report: DatabaseReport) -> dict[str, Finding]:
    findings = {finding.id: finding for finding in rules.findings(report)}
    assert all(finding.evidence and finding.action and finding.title for finding in findings.values())
    return findings


def server_figures(**changed: Any) -> ServerFigures:
    healthy: dict[str, Any] = {
        "server": "valkey 9",
        "latency_ms": 0.1,
        "uptime_seconds": 3600,
        "connected_clients": 3,
        "memory_bytes": 1_000_000,
        "memory_limit_bytes": 100_000_000,
        "evicted_keys": 0,
    }
    return ServerFigures(**{**healthy, **changed})


def cache(**changed: Any) -> CacheHealth:
    return CacheHealth("healthy", connection=True, breaker="closed", figures=server_figures(), **changed)


def report(**changed: Any) -> DatabaseReport:
    return DatabaseReport(**{"cache": cache(), **changed})


def large_table(name: str = "jobs", **changed: Any) -> TableFigures:
    return TableFigures(name=name, row_count=50_000, estimated_rows=50_000, **changed)


def test_a_healthy_installation_has_no_findings():
    tables = (TableFigures(name="jobs", row_count=5, exact=True, estimated_rows=5),)
    assert found(report(tables=tables)) == {}


class TestCache:
    @staticmethod
    def jobs(hour: Hits, changes: int) -> Family:
        return Family(ttl=60, total=NO_HITS, hour=hour, invalidations=changes, invalidations_hour=changes)

    def test_a_longer_ttl_is_recommended_if_responses_expire_unchanged(self):
        jobs = self.jobs(Hits(hits=600, misses=400, bypasses=0), changes=40)
        finding = found(report(cache=cache(families={"jobs": jobs})))["cache:ttl:jobs"]
        # 40 of the 400 misses follow a change and remain. A TTL four times as long saves 3 of 4 others.
        assert finding.evidence["expected_hit_rate"] == pytest.approx((600 + 360 * 0.75) / 1000)
        assert finding.action == "CACHE_TTL_JOB_LIST=240"

    @pytest.mark.parametrize(
        ("hour", "changes"),
        [
            (Hits(hits=600, misses=400, bypasses=0), 400),
            (Hits(hits=9990, misses=10, bypasses=0), 0),
            (NO_HITS, 0),
        ],
        ids=["changes all the time", "hardly a miss", "no requests"],
    )
    def test_no_longer_ttl_is_recommended_without_a_gain(self, hour: Hits, changes: int):
        assert found(report(cache=cache(families={"jobs": self.jobs(hour, changes)}))) == {}

    def test_lack_of_memory_is_found_with_a_new_limit(self):
        figures = server_figures(memory_bytes=95, memory_limit_bytes=100, evicted_keys=7)
        health = CacheHealth("degraded", connection=True, figures=figures, evicted_hour=7)
        findings = found(report(cache=health))
        assert findings["cache:evictions"].action == "CONFIG SET maxmemory 200"
        assert findings["cache:memory"].evidence["memory_bytes"] == 95

    def test_an_unreachable_server_is_critical(self):
        health = CacheHealth("unhealthy", error="refused", breaker="open")
        assert found(report(cache=health))["cache:unreachable"].level == "critical"

    def test_waiting_invalidations_are_found(self):
        assert "cache:backlog" in found(report(cache=cache(outbox=Outbox(length=9, oldest_seconds=60.0))))
        assert found(report(cache=cache(outbox=Outbox(length=9, oldest_seconds=0.1)))) == {}

    def test_a_stale_response_is_critical(self):
        health = cache(audited={"equal": 99, "stale": 1, "gone": 0})
        assert found(report(cache=health))["cache:stale"].level == "critical"


class TestTables:
    def test_dead_rows_need_a_vacuum(self):
        table = large_table(dead_rows=20_000)
        assert found(report(tables=(table,)))["table:vacuum:jobs"].action == "VACUUM (ANALYZE) jobs;"

    @pytest.mark.parametrize(
        ("changed", "minutes", "outdated"), [(20_000, 60, True), (20_000, 1, False), (100, 60, False)]
    )
    def test_statistics_are_outdated_if_autovacuum_did_not_run(
        self, changed: int, minutes: int, *, outdated: bool
    ):
        analyzed = datetime.now(UTC) - timedelta(minutes=minutes)
        table = large_table(changed_since_analyze=changed, last_analyze=analyzed)
        assert ("table:statistics:jobs" in found(report(tables=(table,)))) is outdated

    def test_large_tables_that_are_often_read_in_full_are_found(self):
        table = large_table(sequential_scans=2000, sequential_rows=2000 * 50_000, index_scans=3000)
        assert "table:scans:jobs" in found(report(tables=(table,)))

    @pytest.mark.parametrize(("partitions", "recommended"), [(0, True), (3, False), (None, False)])
    def test_partitions_are_recommended_for_a_large_plain_table(
        self, partitions: int | None, *, recommended: bool
    ):
        findings = found(report(tables=(large_table("events", partitions=partitions),)))
        assert ("table:partition:events" in findings) is recommended

    def test_expired_rows_of_a_partitioned_table_are_no_finding(self):
        table = large_table("events", partitions=3)
        kept = Retention(column="created_at", days=90, setting="EVENT_RETENTION_DAYS")
        expired = Expired(table="events", retention=kept, rows=90_000, bytes=1, complete=True)
        plain = replace(table, partitions=0)
        assert "table:archive:events" not in found(report(tables=(table,), expired=(expired,)))
        assert "table:archive:events" in found(report(tables=(plain,), expired=(expired,)))

    @pytest.mark.parametrize("rows", [10_000, 10_001])
    def test_an_archive_or_postgresql_is_recommended_for_a_large_table_on_sqlite(self, rows: int):
        table = TableFigures(name="events", row_count=rows, estimated_rows=rows, rows_per_day=5)
        findings = found(report(tables=(table,), server={"journal_mode": "wal"}))
        if rows == 10_000:
            assert findings == {}
            return
        finding = findings["table:partition:events"]
        assert finding.level == "info"
        assert finding.evidence == {
            "rows": rows,
            "bytes": None,
            "rows_per_day": 5,
            "EVENT_RETENTION_DAYS": 90,
            "rows_older": 0,
        }
        assert finding.action.startswith("python manage.py archive --table events ")
        assert "DATABASE_URL=postgresql://" in finding.action


class TestIndexes:
    @staticmethod
    def unused_index(**changed: Any) -> IndexUsage:
        index = Index("ix_narrow", "jobs", ("a",))
        figures = IndexFigures(table="jobs", name="ix_narrow", scans=0, bytes=8192)
        return IndexUsage(**{"index": index, "figures": figures, "proof": DropProof(9, ()), **changed})

    @pytest.mark.parametrize(
        ("prefix_of", "counted_days", "kind"),
        [
            (("ix_wide",), None, "redundant"),
            ((), 30, "unused"),
            ((), 1, None),
            ((), None, None),
        ],
    )
    def test_needless_ones_are_found(self, prefix_of: tuple, counted_days: int | None, kind: str | None):
        since = datetime.now(UTC) - timedelta(days=counted_days) if counted_days else None
        usage = self.unused_index(prefix_of=prefix_of)
        server = {"stats_reset": since}
        findings = found(report(tables=(large_table(),), index_usage=(usage,), server=server))
        assert set(findings) == ({f"index:{kind}:ix_narrow"} if kind else set())

    @pytest.mark.parametrize(
        ("server", "sql"),
        [
            ({"server": "PostgreSQL 18"}, "DROP INDEX CONCURRENTLY ix_narrow;"),
            ({"journal_mode": "wal"}, "DROP INDEX ix_narrow;"),
        ],
    )
    @pytest.mark.parametrize(
        ("declared_in", "comment"),
        [(None, ""), ("orchestrator.Job", "  -- and delete it from Meta.indexes of orchestrator.Job")],
    )
    def test_the_action_drops_the_index(self, server: dict, sql: str, declared_in: str | None, comment: str):
        usage = self.unused_index(prefix_of=("ix_wide",), declared_in=declared_in)
        findings = found(report(tables=(large_table(),), index_usage=(usage,), server=server))
        assert findings["index:redundant:ix_narrow"].action == sql + comment

    def test_the_index_of_a_partitioned_table_is_dropped_with_its_partitions(self):
        usage = self.unused_index(prefix_of=("ix_wide",))
        tables = (large_table(partitions=3),)
        findings = found(report(tables=tables, index_usage=(usage,), server={"server": "PostgreSQL 18"}))
        assert findings["index:redundant:ix_narrow"].action == "DROP INDEX ix_narrow;"

    @pytest.mark.parametrize(
        ("name", "action"),
        [
            ("ix_a", "REINDEX INDEX CONCURRENTLY ix_a;"),
            ("ix_a_ccnew", "DROP INDEX CONCURRENTLY ix_a_ccnew;"),
            ("ix_a_ccold1", "DROP INDEX CONCURRENTLY ix_a_ccold1;"),
        ],
    )
    def test_an_invalid_index_is_built_again_and_the_remains_of_a_reindex_are_dropped(
        self, name: str, action: str
    ):
        table = large_table(indexes=(IndexFigures(table="jobs", name=name, valid=False),))
        assert found(report(tables=(table,)))[f"index:invalid:{name}"].action == action

    @pytest.mark.parametrize("proof", [None, DropProof(9, ("jobs",))], ids=["not tried", "loses a plan"])
    def test_none_is_needless_without_a_proof(self, proof: DropProof | None):
        server = {"stats_reset": datetime.now(UTC) - timedelta(days=30)}
        usage = self.unused_index(proof=proof)
        assert found(report(tables=(large_table(),), index_usage=(usage,), server=server)) == {}


class TestConnections:
    def test_a_server_that_is_nearly_full_is_critical(self):
        findings = found(report(connections={"maximum": 100, "in_use": 85}))
        assert findings["connections:limit"].level == "critical"

    def test_a_replica_that_lags_is_found(self):
        replica = {"name": "copy", "lag_seconds": 60.0, "lag_bytes": 5}
        assert "replica:lag:copy" in found(report(replication=(replica,)))

    @pytest.mark.parametrize(
        ("state", "finding"),
        [
            ({}, None),
            ({"lag_bytes": 1000, "lag_seconds": 60.0}, None),
            ({"follows": None}, None),
            ({"responds": False, "follows": None}, "replica:unreachable:replica1"),
            ({"follows": False}, "replica:unrelated:replica1"),
            ({"paused": True}, "replica:behind:replica1"),
            ({"lag_bytes": 2**27}, "replica:behind:replica1"),
        ],
    )
    def test_a_replica_that_cannot_be_read_is_found(self, state: dict, finding: str | None):
        fine = {"responds": True, "follows": True, "paused": False, "lag_bytes": 0, "lag_seconds": 0.0}
        replica = {"alias": "replica1", **fine, "reads": {}, **state}
        assert [*found(report(replicas=(replica,)))] == ([finding] if finding else [])


def pool(process: int = 1, **figures: int) -> dict[str, Any]:
    return {**dict.fromkeys(FIGURES, 0), "process": process, "alias": "default", **figures}


class TestPools:
    def test_pools_larger_than_the_server_are_found(self, settings):
        settings.WEB_WORKERS, settings.DB_POOL_MAX_SIZE = 8, 20
        findings = found(report(connections={"maximum": 97, "in_use": 5}))
        assert findings["connections:pools"].action == "DB_POOL_MAX_SIZE=12"

    def test_the_smaller_maximum_is_not_below_the_minimum(self, settings):
        # DB_POOL_MIN_SIZE above DB_POOL_MAX_SIZE stops the start.
        settings.WEB_WORKERS, settings.DB_POOL_MIN_SIZE, settings.DB_POOL_MAX_SIZE = 60, 2, 10
        findings = found(report(connections={"maximum": 97, "in_use": 5}))
        assert findings["connections:pools"].action == "DB_POOL_MIN_SIZE=1\nDB_POOL_MAX_SIZE=1"

    def test_without_a_setting_there_is_a_worker_for_each_core_that_may_be_used(self, settings, monkeypatch):
        settings.WEB_WORKERS, settings.DB_POOL_MAX_SIZE = None, 20
        monkeypatch.setattr(os, "cpu_count", lambda: 64)  # of the machine, not of the container
        assert found(report(connections={"maximum": 20 * len(os.sched_getaffinity(0))})) == {}

    @pytest.mark.parametrize(
        ("figures", "server", "action"),
        [
            ({"most_used": 4, "queued": 200}, {}, "DB_POOL_MAX_SIZE=8"),
            ({"most_used": 4, "queued": 200}, {"maximum": 97}, "DB_POOL_MAX_SIZE=8"),
            ({"most_used": 4, "queued": 1, "errors": 1}, {}, "DB_POOL_MAX_SIZE=8"),
            ({"most_used": 3, "queued": 200}, {}, "DB_POOL_MIN_SIZE=3"),
        ],
        ids=["full", "the server has room", "timed out", "grows too late"],
    )
    def test_a_pool_that_is_too_small_is_found(self, figures: dict, server: dict, action: str):
        pools = tuple(
            pool(pid, minimum=2, maximum=4, requests=1000, wait_ms=900, **figures) for pid in (1, 2)
        )
        finding = found(report(pools=pools, connections=server))["pool:small:default"]
        assert (finding.evidence["waited"], finding.action) == (2 * figures["queued"], action)
        assert finding.evidence["mean_wait_ms"] == round(900 / figures["queued"], 1)

    def test_a_pool_cannot_outgrow_its_server(self):
        small = pool(maximum=60, most_used=60, requests=1000, queued=500)
        findings = found(report(pools=(small,), connections={"maximum": 97, "in_use": 60}))
        assert "max_connections = 240" in findings["pool:small:default"].action

    @pytest.mark.parametrize(
        "figures",
        [
            {"requests": 1000, "queued": 9, "most_used": 10},
            {"requests": 100, "queued": 50, "most_used": 10},
            {"requests": 100, "errors": 5, "most_used": 3},
        ],
        ids=["hardly ever waits", "too few requests", "errors of the server"],
    )
    def test_a_pool_that_is_large_enough_is_not_found(self, figures: dict):
        assert found(report(pools=(pool(minimum=2, maximum=10, size=10, **figures),))) == {}

    def test_a_pool_that_is_too_large_for_its_server_is_found(self):
        pools = tuple(
            pool(pid, size=2, minimum=2, maximum=20, most_used=2, requests=1000) for pid in (1, 2, 3)
        )
        finding = found(report(pools=pools, connections={"maximum": 97}))["pool:large:default"]
        assert (finding.level, finding.evidence["never_used_share"]) == ("info", 0.9)
        assert finding.action == "DB_POOL_MIN_SIZE=2\nDB_POOL_MAX_SIZE=4"
        assert found(report(pools=pools[:1], connections={"maximum": 97})) == {}

    def test_a_pool_with_connections_that_were_never_used_is_found(self):
        large = pool(size=30, minimum=30, maximum=30, most_used=3, requests=5000)
        finding = found(report(pools=(large,)))["pool:large:default"]
        assert finding.evidence["open_and_never_used"] == 27
        assert finding.action == "DB_POOL_MIN_SIZE=3\nDB_POOL_MAX_SIZE=6"


class TestSettings:
    @pytest.mark.parametrize(
        ("changed", "finding", "level"),
        [
            ({"DEBUG": True, "ALLOWED_HOSTS": ["kyros.example.com"]}, "settings:debug", "critical"),
            ({"SQL_ECHO": True}, "settings:echo", "info"),
            (
                {"CSRF_TRUSTED_ORIGINS": ["https://kyros.example.com"], "HTTPS_ONLY": False},
                "settings:https",
                "warning",
            ),
        ],
    )
    def test_contradicting_settings_are_found(self, settings, changed: dict, finding: str, level: str):
        for name, value in changed.items():
            setattr(settings, name, value)
        assert {each.id: each.level for each in found(report()).values()} == {finding: level}

    def test_debug_on_local_hosts_is_fine(self, settings):
        settings.DEBUG, settings.ALLOWED_HOSTS = True, ["localhost", "127.0.0.1"]
        assert found(report()) == {}

    @pytest.mark.parametrize(("backend", "is_found"), [("sqlite3", True), ("postgresql", False)])
    def test_replicas_of_sqlite_are_critical(
        self, settings, monkeypatch: pytest.MonkeyPatch, backend: str, *, is_found: bool
    ):
        settings.DATABASE_REPLICAS = ["replica1"]
        monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", f"orchestrator.db.{backend}")
        assert ("settings:replicas" in found(report())) is is_found


class TestQueries:
    @pytest.mark.parametrize(
        ("blocked_by", "action"),
        [
            (5, "SELECT pg_terminate_backend(5);"),
            # A prepared transaction, which has no session.
            (0, "SELECT gid, prepared, owner FROM pg_prepared_xacts;  -- then ROLLBACK PREPARED 'gid';"),
        ],
    )
    def test_a_blocked_session_names_the_one_with_the_lock(self, blocked_by: int, action: str):
        session = {
            "pid": 7,
            "transaction_seconds": 9.0,
            "blocked_by": [blocked_by],
            "state": "active",
            "application": "kyros",
        }
        assert found(report(sessions=(session,)))["session:7"].action == action

    def test_slow_and_repeated_statements_are_found(self):
        slow = {"query": "SELECT 1", "calls": 50, "mean_ms": 900.0, "total_ms": 45_000.0}
        suspect = {"route": "api/v1/x/", "statement": "SELECT 2", "requests": 50}
        findings = found(report(slow_queries=(slow,), suspects=(suspect,)))
        assert {each.partition(":")[0] for each in findings} == {"statement", "repeated"}

    def test_the_action_for_a_slow_statement_can_be_run(self):
        """The text of a statement is cut and has no values, so the action does not contain it."""
        of_requests = {
            "query": "SELECT ? FROM t WHERE i",
            "calls": 50,
            "mean_ms": 900.0,
            "total_ms": 45_000.0,
        }
        of_server = {**of_requests, "queryid": "-77"}
        (action,) = [each.action for each in found(report(slow_queries=(of_requests,))).values()]
        assert action == registry.monitored_app().explain_queries
        (action,) = [each.action for each in found(report(slow_queries=(of_server,))).values()]
        assert "queryid = -77 " in action

    @pytest.mark.parametrize(
        ("query", "has_plan"),
        [
            ("/* waiting */ SELECT ?", True),
            ("(select ?) UNION (select ?)", True),
            ("WITH x AS (SELECT ?) DELETE FROM t", True),
            ("COMMIT", False),
            ("COPY jobs (id) FROM STDIN", False),
            ("VACUUM t", False),
        ],
    )
    def test_only_statements_with_a_plan_are_explained(self, query: str, *, has_plan: bool):
        slow = {"query": query, "calls": 50, "mean_ms": 900.0, "total_ms": 45_000.0, "queryid": "7"}
        (finding,) = found(report(slow_queries=(slow,))).values()
        assert ("EXPLAIN" in finding.action) is has_plan
        assert has_plan or finding.action.startswith("SELECT pid, wait_event_type, wait_event")


class TestDisk:
    @pytest.mark.parametrize(
        ("free_gib", "measured_days", "level"),
        [(10, 3.0, "critical"), (20, 3.0, "warning"), (10, 0.1, "info"), (100, 3.0, None), (None, 3.0, None)],
    )
    def test_a_disk_that_is_soon_full_is_found(
        self, free_gib: int | None, measured_days: float, level: str | None
    ):
        disk = Disk(
            free_bytes=free_gib and free_gib * GIB,
            total_bytes=500 * GIB,
            bytes_per_day=2.0 * GIB,
            measured_over_days=measured_days,
        )
        findings = found(report(disk=disk))
        assert [(each.level, each.evidence["days_left"]) for each in findings.values()] == (
            [(level, free_gib and free_gib / 2)] if level else []
        )
        assert all("EVENT_RETENTION_DAYS" in each.action for each in findings.values())

    def test_a_large_journal_and_many_free_pages_are_found(self):
        server = {"journal_mode": "wal", "wal_bytes": GIB, "bytes": 4 * GIB, "free_bytes": 2 * GIB}
        assert set(found(report(server=server))) == {"disk:journal", "disk:free-pages"}


class TestDatabase:
    def test_an_unreachable_one_is_critical(self):
        findings = found(report(errors={"server": "no response"}))
        assert findings["database:unreachable"].level == "critical"

    def test_an_empty_one_has_to_be_migrated(self):
        tables = (TableFigures(name="jobs", exists=False), TableFigures(name="tasks", exists=False))
        findings = found(report(tables=tables))
        assert [each.action for each in findings.values()] == ["python manage.py migrate"]
