"""Reading from a replica, or from the primary where no replica may be read."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

from orchestrator.db.replicas import positions
from orchestrator.db.replicas.positions import PrimaryState
from orchestrator.db.replicas.replica_metrics import READS, Outcome
from orchestrator.db.replicas.router import current_replica

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a read waits for a replica to show what the primary shows: more than an idle replica needs,
#: less than a read from the primary costs.
MAX_WAIT: Final = 0.01
#: Seconds between the first two looks in that time; each pause is twice as long as the one before.
_FIRST_PAUSE: Final = 0.0003

#: Seconds for which a process leaves a replica out that could not be used: the first time, and at most. Each
#: further time it is left out for twice as long.
MIN_LEFT_OUT: Final = 0.02
MAX_LEFT_OUT: Final = 1.0

#: By alias, until when and for how long a replica is left out; empty for one that was used when last tried.
_left_out: Final[dict[str, tuple[float, float]]] = {}


class ReplicaNotUsable(Exception):
    """A replica cannot serve a read now."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def read(build: Callable[[], T]) -> T:
    """Return what ``build`` returns; its queries read from a replica if one shows what the primary shows.

    A replica is read in one snapshot. The snapshot holds everything that the primary showed when ``read`` was
    called, and nothing that the primary does not show when ``build`` begins. So the result is one that the
    primary could have given in between.

    Args:
        build: queries the database, through Django's models, and changes nothing. After a failure of the
            replica it is called again, and reads from the primary.
    """
    alias = _choose()
    if alias is None:
        return build()
    try:
        with _snapshot(alias):
            result = build()
        READS.labels(alias, Outcome.USED).inc()
        _left_out.pop(alias, None)
    except ReplicaNotUsable as reason:
        READS.labels(alias, reason.outcome).inc()
        _leave_out(alias)
        return build()
    return result


def _leave_out(alias: str) -> None:
    now = time.monotonic()
    until, seconds = _left_out.get(alias, (0.0, MIN_LEFT_OUT / 2))
    if until <= now:  # else another thread has just found out the same
        seconds = min(2 * seconds, MAX_LEFT_OUT)
        _left_out[alias] = (now + seconds, seconds)


def _choose() -> str | None:
    """Return the alias of a replica that is not left out; None if the primary must be read."""
    if not settings.DATABASE_REPLICAS or current_replica.get():
        return None
    primary = connections[DEFAULT_DB_ALIAS]
    if primary.vendor != "postgresql" or not primary.get_autocommit():
        return None  # an open transaction may have written what its queries must see
    now = time.monotonic()
    usable = [alias for alias in settings.DATABASE_REPLICAS if _left_out.get(alias, (0.0,))[0] <= now]
    return random.choice(usable) if usable else None  # noqa: S311 - no secret


@contextmanager
def _snapshot(alias: str) -> Iterator[None]:
    """Let the queries in the block read from a replica, in one snapshot.

    Raises:
        ReplicaNotUsable: if the replica cannot be used, or fails in the block.
    """
    primary = positions.primary_state()
    try:
        _begin(alias, primary)
        token = current_replica.set(alias)
        try:
            yield
        finally:
            current_replica.reset(token)
        positions.end_snapshot(alias)
    except BaseException as error:
        connections[alias].close()  # ends the snapshot, whatever state it is in
        if isinstance(error, DatabaseError | InterfaceError):
            logger.info("The replica %s is left out: %s", alias, error)
            raise ReplicaNotUsable(Outcome.FAILED) from error
        raise


def _begin(alias: str, primary: PrimaryState) -> None:
    deadline = time.monotonic() + MAX_WAIT
    for _ in _attempts(deadline, Outcome.BEHIND):
        if _has_replayed(alias, primary):
            break
    if not positions.begin_snapshot(alias, primary):
        return
    # Usually the primary shows by now what the replica shows.
    for _ in _attempts(deadline, Outcome.AHEAD):
        if not positions.seen_early(alias, positions.primary_state()):
            break


def _has_replayed(alias: str, primary: PrimaryState) -> bool:
    state = positions.replica_state(alias)
    if primary.position is None or state.position is None or state.lineage != primary.lineage:
        raise ReplicaNotUsable(Outcome.UNRELATED)
    return state.position >= primary.position


def _attempts(deadline: float, outcome: Outcome) -> Iterator[None]:
    """Yield for each attempt, with a pause between two.

    Raises:
        ReplicaNotUsable: with the outcome, when there is no time for a further attempt.
    """
    pause = _FIRST_PAUSE
    yield
    while time.monotonic() + pause < deadline:
        time.sleep(pause)
        pause *= 2
        yield
    raise ReplicaNotUsable(outcome)
