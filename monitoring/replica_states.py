"""The replicas that ``DATABASE_REPLICA_URLS`` names: whether each responds, and how far it is."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import connection_pools, prometheus
from monitoring.engines.query import fetch
from monitoring.formatting import first_line
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]

_PRIMARY: Final = """
    SELECT system_identifier AS cluster,
           left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline,
           pg_current_wal_lsn() - '0/0' AS position
    FROM pg_control_system() WHERE NOT pg_is_in_recovery()
"""
_REPLICA: Final = """
    SELECT pg_is_in_recovery() AS is_replica, system_identifier AS cluster,
           lpad(upper(to_hex(timeline_id)), 8, '0') AS timeline,
           pg_last_wal_replay_lsn() - '0/0' AS position,
           CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused,
           CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float
             AS lag_seconds
    FROM pg_control_system(), pg_control_checkpoint()
"""


def measuring() -> Callable[[Row, TimeBudget], list[dict[str, Any]]]:
    """Begin to query every replica at once; return what waits for the results.

    It takes what ``primary`` returned and the time budget for replicas that do not respond.
    """
    calls = {
        alias: BoundedCall(partial(_measure, alias), "replica")
        for alias in settings.DATABASE_REPLICAS
        if connections[DEFAULT_DB_ALIAS].vendor == "postgresql"
    }

    def results(primary: Row, budget: TimeBudget) -> list[dict[str, Any]]:
        reads = _reads()
        return [
            {**_compared(_result(alias, call, budget), primary), "alias": alias, "reads": reads[alias]}
            for alias, call in calls.items()
        ]

    return results


def primary(connection: BaseDatabaseWrapper) -> Row:
    """Return how far the primary is; nothing if the engine has no replicas or this server is one itself."""
    rows = fetch(connection, _PRIMARY) if connection.vendor == "postgresql" else []
    return rows[0] if rows else {}


def _measure(alias: str) -> Row:
    connection_pools.bypass_exhausted_pool(connections[alias])
    return fetch(connections[alias], _REPLICA)[0]


def _result(alias: str, call: BoundedCall[Row], budget: TimeBudget) -> Row | None:
    """Return a replica's figures; None if it does not respond."""
    try:
        return budget.result(call)
    except (TimeBudgetExceeded, DatabaseError, InterfaceError) as error:
        # Only to the log: the server's message may contain its host name.
        logger.warning("The replica %s does not respond: %s", alias, first_line(error))
        return None


def _compared(replica: Row | None, primary: Row) -> dict[str, Any]:
    """Return a replica's figures as the report shows them; None for what is not known."""
    known: Row = replica or {}
    position, end = known.get("position"), primary.get("position")
    same = all(known.get(name) == primary.get(name) for name in ("cluster", "timeline"))
    return {
        "responds": replica is not None,
        "follows": known["is_replica"] and same if replica and primary else None,
        "paused": known.get("paused"),
        "lag_seconds": known.get("lag_seconds"),
        "lag_bytes": None if position is None or end is None else max(0, int(end - position)),
    }


def _reads() -> dict[str, dict[str, int]]:
    """Return the attempts of all processes to read from a replica, by its alias and the outcome."""
    reads: dict[str, dict[str, int]] = defaultdict(dict)
    for sample in prometheus.samples("kyros_replica_reads"):
        reads[sample.labels["replica"]][sample.labels["outcome"]] = int(sample.value)
    return reads
