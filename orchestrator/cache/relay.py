"""The relay: drains the outbox, renews the lease on trust, and voids what a restarted server brings back.

``run_relay`` is the process that ``make run`` starts. Where it is not running, whoever misses the lease does one
``relay_once`` itself; where several run, they do not disturb each other.
"""

import threading
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import metrics, outbox, scripts, timing
from orchestrator.cache import tags as names
from orchestrator.cache.interface import CacheClient, CacheUnavailable
from orchestrator.cache.outbox import Pending
from orchestrator.cache.scripts import Call

#: Outbox rows drained at once, and so many tags that making everything stale is cheaper than naming them.
ROWS_AT_ONCE: Final = 5000
MAX_TAGS_AT_ONCE: Final = 500


def relay_once(server: CacheClient) -> bool:
    """Drain the outbox and renew the lease; return whether the cache may be trusted now.

    Args:
        server: the cache server.

    Raises:
        CacheUnavailable: when the server or the database does not answer.
    """
    renewal = _drain_and_renew(server)
    return bool(server.call(lambda client: client.execute_command(*renewal.parts)))


def reset_after_restart(server: CacheClient) -> bool:
    """Void all that a restarted server holds, then let it be read; return whether it may be trusted now.

    Raises:
        CacheUnavailable: when the server or the database does not answer.
    """
    renewal = _drain_and_renew(server, void_everything=True)

    def void_and_load(client: Any) -> Any:
        # One transaction: between the two the server could be restarted once more.
        pipeline = client.pipeline(transaction=True)
        pipeline.execute_command(*renewal.parts)
        pipeline.script_load(server.read_script.source)
        return pipeline.execute()[0]

    return bool(server.call(void_and_load))


def _drain_and_renew(server: CacheClient, *, void_everything: bool = False) -> Call:
    """Drain the outbox; return the call that renews the lease.

    The server's clock is read first: the lease ends ``LEASE`` after that, whatever happens in between, so
    that every row committed later is waited for by its writer.
    """
    looked_at = server.clock()
    _drain(server)
    until = looked_at + int(timing.LEASE * 1000)
    return scripts.drain(trust_until=until, void_everything=void_everything)


def run_relay(server: CacheClient, stop: threading.Event) -> None:
    """Tick until told to stop; a server or database that is away is tried again.

    Args:
        server: the cache server.
        stop: ends the keeping when set.
    """
    while not stop.wait(timing.RELAY_EVERY):
        try:
            if server.enabled:
                relay_once(server)
                metrics.flush_if_due(server)
            else:
                _prune()
                stop.wait(timing.PRUNE_EVERY)
        except CacheUnavailable:
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
            stop.wait(timing.TRY_AGAIN_AFTER)


def _prune() -> None:
    """Keep the outbox small where nobody drains it."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if outbox.exists(connection):
            outbox.prune(connection, prune_after())
    except (DatabaseError, InterfaceError) as error:
        raise CacheUnavailable("the outbox cannot be pruned") from error


def prune_after() -> int:
    """Return the age in seconds from which no entry can be left that a row would make stale."""
    longest = max(getattr(settings, name) for name in names.TTL_SETTINGS.values())
    return int(longest * (1 + timing.TTL_JITTER)) + timing.PRUNE_MARGIN


# The databases, by alias, whose outbox has been seen: before its migration there is none to drain.
_with_outbox: set[str] = set()


def _drain(server: CacheClient) -> None:
    """Make stale what the outbox names until it is found empty.

    Raises:
        CacheUnavailable: when the database does not answer: nobody can say what is stale.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if connection.alias not in _with_outbox:
            if not outbox.exists(connection):
                return
            _with_outbox.add(connection.alias)
        _empty_outbox(server, connection)
    except (DatabaseError, InterfaceError) as error:
        raise CacheUnavailable("the outbox cannot be read") from error


def _empty_outbox(server: CacheClient, connection: BaseDatabaseWrapper) -> None:
    # Until a look finds it empty: a writer that waited out an earlier row takes one that is still there as a
    # sign that no lease was given since.
    while outbox.pending(connection, 1).ids:
        # On SQLite a trigger does not repeat a tag that is waiting already: nobody may commit between the
        # moment it is made stale and the moment its row goes.
        with transaction.atomic(using=DEFAULT_DB_ALIAS):
            rows = outbox.pending(connection, ROWS_AT_ONCE)
            _make_stale(server, rows)
            outbox.remove(connection, rows.ids)
        for group in names.groups_of(rows.tags):
            metrics.count("invalidations", group)


def _make_stale(server: CacheClient, rows: Pending) -> None:
    call = scripts.drain(rows.tags, void_everything=len(rows.tags) > MAX_TAGS_AT_ONCE)
    server.call(lambda client: client.execute_command(*call.parts))
