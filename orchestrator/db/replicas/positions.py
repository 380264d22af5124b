"""Compares what a replica shows with what the primary shows, by WAL positions and transaction ids.

A commit is durable, and thereby on its way to the replicas, before the primary shows it. So a replica can lag
behind, and for a short time it can also be ahead: a commit that waits for a synchronous standby, or whose
process the operating system has interrupted, shows on a replica first.
"""

from typing import Final, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections

# Where synchronous_commit is off, the primary shows commits that are not flushed yet.
_PRIMARY: Final = """
    SELECT system_identifier,
           CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
           CASE WHEN pg_is_in_recovery() THEN NULL
                WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
                ELSE pg_current_wal_flush_lsn() END - '0/0',
           pg_current_snapshot()::text
    FROM pg_control_system()
"""
# A replica's control file names the timeline of the last checkpoint that it has replayed.
_REPLICA: Final = """
    SELECT system_identifier, lpad(upper(to_hex(timeline_id)), 8, '0'),
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0' END
    FROM pg_control_system(), pg_control_checkpoint()
"""
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The replica may not know an id from above the snapshot; a query of its status would fail.
_SEEN_EARLY: Final = """
    SELECT pg_snapshot_xmax(pg_current_snapshot()) > '{xmax}'::xid8 OR EXISTS (
        SELECT FROM unnest('{{{open}}}'::xid8[]) AS id
        WHERE CASE WHEN id < pg_snapshot_xmax(pg_current_snapshot())
                   THEN pg_xact_status(id) = 'committed' END
    )
"""


class Lineage(NamedTuple):
    """What a primary and its replicas have in common.

    Args:
        cluster: the cluster's identifier.
        timeline: differs before and after a failover, or a restore to an earlier time.
    """

    cluster: int
    timeline: str


class PrimaryState(NamedTuple):
    """What the primary shows.

    Args:
        lineage: the primary's.
        position: the WAL position up to which a replica must have replayed to show all of it; None if this
            server is itself a replica.
        xmax: transactions from this id on are not over.
        open: the ids below it that are not over either.
    """

    lineage: Lineage
    position: int | None
    xmax: int
    open: tuple[int, ...]


class ReplicaState(NamedTuple):
    """How far a replica is; ``position`` is None if it is no replica any more."""

    lineage: Lineage
    position: int | None


def primary_state() -> PrimaryState:
    """Return what the primary shows at least from now on."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_PRIMARY)
        cluster, timeline, position, snapshot = cursor.fetchone()
    _, xmax, ids = snapshot.split(":")
    still_open = tuple(int(each) for each in ids.split(",") if each)
    return PrimaryState(
        Lineage(cluster, timeline), None if position is None else int(position), int(xmax), still_open
    )


def replica_state(alias: str) -> ReplicaState:
    """Return how far a replica is: snapshots that begin later show at least that."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_REPLICA)
        cluster, timeline, position = cursor.fetchone()
    return ReplicaState(Lineage(cluster, timeline), None if position is None else int(position))


def begin_snapshot(alias: str, primary: PrimaryState) -> bool:
    """Begin a transaction with one snapshot; return whether it may show what the primary does not."""
    return _seen_early(alias, primary, f"{_BEGIN};")


def seen_early(alias: str, primary: PrimaryState) -> bool:
    """Return whether the open snapshot of a replica may show what the primary does not."""
    return _seen_early(alias, primary, "")


def _seen_early(alias: str, primary: PrimaryState, begin: str) -> bool:
    query = _SEEN_EARLY.format(xmax=primary.xmax, open=",".join(map(str, primary.open)))
    with connections[alias].cursor() as cursor:
        cursor.execute(begin + query)
        if begin:
            cursor.nextset()
        return bool(cursor.fetchone()[0])


def end_snapshot(alias: str) -> None:
    """End the transaction of ``begin_snapshot``."""
    with connections[alias].cursor() as cursor:
        cursor.execute("COMMIT")
