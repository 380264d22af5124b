"""Statistics of PostgreSQL. Sizes and uses of partitions are added to those of their parent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.engines.query import fetch
from monitoring.query_stats import normalize_sql

# The table itself, or its partitions.
_LEAVES: Final = """
    FROM unnest(%s::text[]) AS wanted (name)
    JOIN pg_class AS root ON root.oid = to_regclass(quote_ident(wanted.name))
    CROSS JOIN LATERAL (
        SELECT root.oid AS relid WHERE root.relkind = 'r'
        UNION ALL
        SELECT tree.relid FROM pg_partition_tree(root.oid) AS tree WHERE root.relkind = 'p' AND tree.isleaf
    ) AS leaf
"""
_TABLES: Final = f"""
    SELECT wanted.name,
           sum(pg_table_size(leaf.relid))::bigint AS table_bytes,
           sum(nullif(storage.reltuples, -1))::bigint AS estimated_rows,  -- -1: was never analyzed
           sum(used.n_dead_tup)::bigint AS dead_rows,
           sum(used.n_mod_since_analyze)::bigint AS changed_since_analyze,
           sum(used.seq_scan)::bigint AS sequential_scans,
           sum(used.seq_tup_read)::bigint AS sequential_rows,
           sum(used.idx_scan)::bigint AS index_scans,
           max(greatest(used.last_vacuum, used.last_autovacuum)) AS last_vacuum,
           min(greatest(used.last_analyze, used.last_autoanalyze)) AS last_analyze,
           count(*) FILTER (WHERE root.relkind = 'p')::int AS partitions
    {_LEAVES}
    JOIN pg_class AS storage ON storage.oid = leaf.relid
    LEFT JOIN pg_stat_user_tables AS used ON used.relid = leaf.relid
    GROUP BY wanted.name
"""
# last_idx_scan came with PostgreSQL 16; read like this, an older one says NULL.
_INDEXES: Final = f"""
    SELECT wanted.name AS table, index_class.relname AS name,
           sum(pg_table_size(state.indexrelid))::bigint AS bytes,
           sum(used.idx_scan)::bigint AS scans,
           max((to_jsonb(used) ->> 'last_idx_scan')::timestamptz) AS last_used,
           round(sum(pages.idx_blks_hit)
                 / nullif(sum(pages.idx_blks_hit) + sum(pages.idx_blks_read), 0), 4)::float AS hit_rate,
           bool_and(state.indisvalid) AS valid,
           bool_or(state.indisunique) AS unique
    {_LEAVES}
    JOIN pg_index AS state ON state.indrelid = leaf.relid
    JOIN pg_class AS index_class
      ON index_class.oid = coalesce(pg_partition_root(state.indexrelid), state.indexrelid)
    LEFT JOIN pg_stat_user_indexes AS used ON used.indexrelid = state.indexrelid
    LEFT JOIN pg_statio_user_indexes AS pages ON pages.indexrelid = state.indexrelid
    GROUP BY wanted.name, index_class.relname
    ORDER BY wanted.name, index_class.relname
"""
_PARTITIONS: Final = """
    SELECT relname AS name
    FROM pg_partition_tree(to_regclass(quote_ident(%s))) AS tree JOIN pg_class ON pg_class.oid = tree.relid
    WHERE tree.isleaf AND tree.level > 0
    ORDER BY relname
"""
_SERVER: Final = """
    SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1) AS server,
           pg_database_size(current_database()) AS bytes,
           extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::bigint AS uptime_seconds,
           CASE WHEN blks_hit + blks_read > 0
                THEN round(blks_hit::numeric / (blks_hit + blks_read), 4)::float END AS hit_rate,
           deadlocks, temp_bytes, xact_commit AS commits, xact_rollback AS rollbacks, stats_reset
    FROM pg_stat_database WHERE datname = current_database()
"""
_CONNECTIONS: Final = """
    SELECT current_setting('max_connections')::int
             - current_setting('superuser_reserved_connections')::int AS maximum,
           count(*)::int AS in_use,
           count(*) FILTER (WHERE datname = current_database() AND state = 'active')::int AS active,
           count(*) FILTER (WHERE datname = current_database() AND state = 'idle')::int AS idle,
           count(*) FILTER (WHERE datname = current_database()
                            AND state LIKE 'idle in transaction%%')::int AS idle_in_transaction
    FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
_SESSIONS: Final = """
    SELECT pid, state, usename AS username, application_name AS application,
           round(extract(epoch FROM clock_timestamp() - xact_start)::numeric, 3)::float
             AS transaction_seconds,
           round(extract(epoch FROM clock_timestamp() - state_change)::numeric, 3)::float AS state_seconds,
           pg_blocking_pids(pid) AS blocked_by, query
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND ((state = 'active' AND query_start < clock_timestamp() - make_interval(secs => 5))
           OR (state LIKE 'idle in transaction%%'
               AND state_change < clock_timestamp() - make_interval(secs => 5))
           OR (wait_event_type = 'Lock' AND state_change < clock_timestamp() - make_interval(secs => 1)))
    ORDER BY xact_start LIMIT 10
"""
_HAS_STATEMENTS: Final = "SELECT to_regclass('pg_stat_statements') IS NOT NULL AS exists"
_STATEMENTS: Final = """
    SELECT query, queryid::text AS queryid, calls, round(mean_exec_time::numeric, 3)::float AS mean_ms,
           round(max_exec_time::numeric, 3)::float AS max_ms,
           round(total_exec_time::numeric, 3)::float AS total_ms, rows
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY total_exec_time DESC LIMIT 10
"""
_REPLICATION: Final = """
    SELECT application_name AS name, state, sync_state,
           pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS lag_bytes,
           round(extract(epoch FROM replay_lag)::numeric, 3)::float AS lag_seconds
    FROM pg_stat_replication
"""
_IN_RECOVERY: Final = "SELECT pg_is_in_recovery() AS is_replica"

# A role that may not read the setting gets no row of it.
_DIRECTORY: Final = """
    SELECT pg_backend_pid() AS process, session_user AS login, current_database() AS database,
           current_user AS username,
           (SELECT coalesce(nullif(pg_tablespace_location(dattablespace), ''),
                            (SELECT setting FROM pg_settings WHERE name = 'data_directory'))
            FROM pg_database WHERE datname = current_database()) AS directory
"""


def tables(connection: BaseDatabaseWrapper, names: Sequence[str], **_: bool) -> list[dict[str, Any]]:
    """Return size and maintenance of tables. Partitions are added to their parent."""
    return fetch(connection, _TABLES, [list(names)])


def table_indexes(connection: BaseDatabaseWrapper, names: Sequence[str], **_: bool) -> list[dict[str, Any]]:
    """Return size, validity and use of the tables' indexes."""
    return fetch(connection, _INDEXES, [list(names)])


def estimated_rows(connection: BaseDatabaseWrapper, names: Sequence[str]) -> dict[str, int | None]:
    """Return the planner's estimate of each table's rows; None if a table was never analyzed."""
    return {row["name"]: row["estimated_rows"] for row in tables(connection, names)}


def partitions(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Return the names of a table's partitions; none for a plain table."""
    return [row["name"] for row in fetch(connection, _PARTITIONS, [table])]


def server(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return figures of the whole database."""
    return fetch(connection, _SERVER)[0]


def sessions(connection: BaseDatabaseWrapper) -> list[dict[str, Any]]:
    """Return sessions that run long, are blocked, or are idle in a transaction."""
    rows = fetch(connection, _SESSIONS)
    return [{**row, "query": normalize_sql(row["query"] or "")} for row in rows]


def connections(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return the number of connections by state, and their limit."""
    return fetch(connection, _CONNECTIONS)[0]


def statements(connection: BaseDatabaseWrapper) -> list[dict[str, Any]]:
    """Return the statements with the largest total time; none without ``pg_stat_statements``."""
    if not fetch(connection, _HAS_STATEMENTS)[0]["exists"]:
        return []
    rows = fetch(connection, _STATEMENTS)
    return [{**row, "query": normalize_sql(row["query"]), "source": "server"} for row in rows]


def replication(connection: BaseDatabaseWrapper) -> list[dict[str, Any]] | None:
    """Return the lag of each replica; None on a replica."""
    if fetch(connection, _IN_RECOVERY)[0]["is_replica"]:
        return None
    return fetch(connection, _REPLICATION)


def directory(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return the database's directory if the server runs on this machine and the role may see it."""
    (row,) = fetch(connection, _DIRECTORY)
    elsewhere = {"directory": None, "reason": "the server runs on another machine"}
    if not is_served_here(row["process"], f"{row['login']} {row['database']}"):
        return elsewhere
    if row["directory"] is None:
        grant = f"GRANT pg_read_all_settings TO {connection.ops.quote_name(row['username'])};"
        return {"directory": None, "reason": f"the role may not read data_directory; {grant}"}
    directory = Path(row["directory"])
    return {"directory": directory, "reason": None} if directory.is_dir() else elsewhere


def is_served_here(process: int, session: str) -> bool:
    """Return whether a process of this machine serves a session, going by the title PostgreSQL gives it.

    Args:
        process: the session's process number on its server.
        session: user and database, separated by a space.
    """
    try:
        title = Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # the server runs elsewhere, or the system hides its processes
    return title.startswith("postgres: ") and f" {session} " in title
