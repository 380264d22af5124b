"""PostgreSQL's statistics of statements, replicas and sessions, on servers of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from kyros import connection_urls
from monitoring.cache_report import CacheHealth
from monitoring.engines import postgresql
from monitoring.report_data import DatabaseReport
from monitoring.rules import queries
from orchestrator.db.postgresql.base import DatabaseWrapper
from tests.polling import wait_until
from tests.servers.postgres import PostgresReplica, PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@contextmanager
def connected(server: PostgresServer) -> Iterator[BaseDatabaseWrapper]:
    description = {
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
        "TIME_ZONE": None,
        "TEST": {},
        **connection_urls.postgresql_config(server.url()),
    }
    wrapper = DatabaseWrapper(description, "other")
    try:
        yield wrapper
    finally:
        wrapper.close()


def test_statements_are_shown_if_the_server_counts_them(postgres_server: Callable[..., PostgresServer]):
    server = postgres_server({"shared_preload_libraries": "pg_stat_statements"})
    with connected(server) as connection:
        assert postgresql.statements(connection) == []  # the extension is not made

        with server.connect() as plain:
            plain.execute("CREATE EXTENSION pg_stat_statements")
            plain.execute("SELECT 'a secret value', pg_sleep(0.01)")
        rows = postgresql.statements(connection)
        assert rows
        assert any("pg_sleep" in row["query"] and row["calls"] == 1 for row in rows)
        assert "secret" not in str(rows)

        (slow,) = [row for row in rows if "pg_sleep" in row["query"]]
        figures = {**slow, "calls": 50, "mean_ms": 900.0}
        report = DatabaseReport(cache=CacheHealth("disabled"), slow_queries=(figures,))
        (finding,) = queries.slow(report)
        with server.connect() as plain:  # as psql does
            (statement,) = plain.execute(finding.action.removesuffix("\\gexec")).fetchone()
            assert plain.execute(statement).fetchall()


def test_a_session_that_waits_for_a_lock_names_the_one_that_holds_it(
    postgres_server: Callable[..., PostgresServer],
):
    server = postgres_server()
    with connected(server) as connection, server.connect() as holder, server.connect() as waiter:
        holder.execute("CREATE TABLE t (id int)")
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE t")
        waiter.pgconn.send_query(b"SELECT count(*) FROM t")

        def blocked() -> list[dict]:
            return [row for row in postgresql.sessions(connection) if row["blocked_by"]]

        (row,) = wait_until(blocked)
        assert row["pid"] == waiter.info.backend_pid
        assert row["blocked_by"] == [holder.info.backend_pid]
        assert postgresql.connections(connection)["idle_in_transaction"] == 1
        holder.execute("ROLLBACK")
        while waiter.pgconn.get_result():
            pass


def test_a_replica_is_shown_with_its_lag(postgres_server: Callable[..., PostgresServer]):
    server = postgres_server()
    replica = PostgresReplica(server, server.folder / "copy")
    try:
        replica.start()
        with connected(server) as connection, connected(replica) as copy, server.connect() as plain:

            def rows() -> list[dict]:
                return [
                    row for row in postgresql.replication(connection) or [] if row["state"] == "streaming"
                ]

            (row,) = wait_until(rows)
            assert row["lag_bytes"] >= 0
            assert postgresql.replication(copy) is None  # has none of its own

            with replica.connect() as other:
                other.execute("SELECT pg_wal_replay_pause()")
            plain.execute("CREATE TABLE grown AS SELECT generate_series(1, 100000)")
            wait_until(lambda: rows()[0]["lag_bytes"] > 1_000_000, what="a lag that grows")
    finally:
        replica.close()
