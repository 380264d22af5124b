"""The keeper: drains the outbox, renews the lease on trust, and voids what a restarted server brings back.

``keep`` is the process that ``make run`` starts. Where it is not running, whoever misses the lease does one
``tick`` itself; where several run, they do not disturb each other.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import families as names
from orchestrator.cache import keys, outbox, statistics
from orchestrator.cache.outbox import Pending
from orchestrator.cache.server import TICK, CacheUnavailableError, Server
from orchestrator.cache.silence import Silence

#: Makes what is entered while the database is asked.
SpecBuilder = Callable[[], AbstractContextManager[None]]

#: Seconds between two ticks; several must fit into a lease.
TICK_EVERY: Final = 0.03

#: Seconds until a server or database that is away is tried again. Short: nobody trusts the cache meanwhile.
TRY_AGAIN_AFTER: Final = 0.25

#: Seconds between two prunings where there is no cache, and the age in seconds from which no entry can be
#: left that a row would make stale.
PRUNE_EVERY: Final = 60.0
PRUNE_AFTER: Final = 86_400

#: Outbox rows drained at once, and so many families that making everything stale is cheaper than naming them.
ROWS_AT_ONCE: Final = 5000
FAMILIES_AT_ONCE: Final = 500


def tick(server: Server, asking: SpecBuilder = nullcontext) -> bool:
    """Drain the outbox and renew the lease; return whether the cache may be trusted now.

    The server's clock is read first: the lease ends ``LEASE`` after that, whatever happens in between, so
    that every row committed later is waited for by its writer.

    Args:
        server: the cache server.
        asking: entered around each look at the outbox.

    Raises:
        CacheUnavailableError: when the server does not answer; nothing was taken from the outbox then.
    """
    looked_at = server.clock()
    drained = _drain(server, asking)
    until = looked_at + int(keys.LEASE * 1000) if drained else 0
    return bool(server.ask(lambda client: _tick(client, frozenset(), until, void=False)))


def welcome(server: Server) -> bool:
    """Void all that a restarted server holds, then let it be read; return whether it may be trusted now.

    Raises:
        CacheUnavailableError: when the server does not answer.
    """
    looked_at = server.clock()
    drained = _drain(server)
    until = looked_at + int(keys.LEASE * 1000) if drained else 0

    def void_and_load(client: Any) -> Any:
        # One transaction: between the two the server could be restarted once more.
        pipeline = client.pipeline(transaction=True)
        _tick(pipeline, frozenset(), until, void=True)
        pipeline.script_load(server.reading.source)
        return pipeline.execute()[0]

    return bool(server.ask(void_and_load))


def keep(server: Server, stop: threading.Event) -> None:
    """Tick until told to stop; a server or database that is away is tried again.

    Args:
        server: the cache server.
        stop: ends the keeping when set.
    """
    silence = Silence(server)
    threading.Thread(target=silence.tell, args=(stop,), name="silence", daemon=True).start()
    while not stop.wait(TICK_EVERY):
        try:
            if server.enabled:
                began = time.monotonic()
                tick(server, silence.question)
                silence.drained(began)
                statistics.deliver_if_due(server)
            else:
                _prune()
                stop.wait(PRUNE_EVERY)
        except CacheUnavailableError:
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
            stop.wait(TRY_AGAIN_AFTER)


def _prune() -> None:
    """Keep the outbox small where nobody drains it."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if outbox.exists(connection):
            outbox.prune(connection, PRUNE_AFTER)
    except (DatabaseError, InterfaceError) as error:
        raise CacheUnavailableError("the outbox cannot be pruned") from error


# The databases, by alias, whose outbox has been seen: before its migration there is none to drain.
_with_outbox: set[str] = set()


def _drain(server: Server, asking: SpecBuilder = nullcontext) -> bool:
    """Make stale what the outbox names until it is found empty; return whether it was.

    Raises:
        CacheUnavailableError: when the database does not answer: nobody can say what is stale.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if connection.alias not in _with_outbox:
            if not outbox.exists(connection):
                return True
            _with_outbox.add(connection.alias)
        return _drained(server, connection, asking)
    except (DatabaseError, InterfaceError) as error:
        raise CacheUnavailableError("the outbox cannot be read") from error


def _drained(server: Server, connection: BaseDatabaseWrapper, asking: SpecBuilder) -> bool:
    # Until a look finds it empty: a writer that waited out an earlier row takes one that is still there as a
    # sign that no lease was given since.
    while _rows_wait(connection, asking):
        # On SQLite a trigger does not repeat a family that is waiting already: nobody may commit between the
        # moment it is made stale and the moment its row goes.
        with transaction.atomic(using=DEFAULT_DB_ALIAS):
            rows = outbox.pending(connection, ROWS_AT_ONCE)
            server.ask(partial(_tick, families=rows.families, until=0, void=_too_many(rows)))
            outbox.remove(connection, rows.ids)
        for group in names.groups_of(rows.families):
            statistics.count("invalidations", group)
    return True


def _rows_wait(connection: BaseDatabaseWrapper, asking: SpecBuilder) -> bool:
    with asking():
        return bool(outbox.pending(connection, 1).ids)


def _too_many(rows: Pending) -> bool:
    return len(rows.families) > FAMILIES_AT_ONCE


def _tick(client: Any, families: frozenset[str], until: int, *, void: bool) -> Any:
    touched = [] if void else keys.of_families(families)
    names_of_keys = [keys.epoch(), keys.lease(), *touched]
    arguments = [keys.token(), keys.GENERATION_KEPT * 1000, until, int(void)]
    return client.execute_command("EVAL", TICK.source, len(names_of_keys), *names_of_keys, *arguments)
