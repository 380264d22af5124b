"""The epoch: entries made under another one are void.

While the epoch is *in doubt* no entry is served or stored. It is in doubt after the cache server has lost its
memory, because the marks of writes in flight were lost with it: until each of those writes is over, a
response could be stored that is older than a write which others already build on.
"""

from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import database, keys, scripts, timing
from orchestrator.cache.interface import CacheClient

#: The first byte of an epoch in doubt; a token follows. The read script knows it as well.
_IN_DOUBT: Final = b"?"

# The last epoch in doubt that this process has met, and the transactions from before it that are still open.
_met: tuple[bytes, frozenset[str]] = (b"", frozenset())


def void(cache: CacheClient) -> None:
    """Void every entry by a new epoch, unless it is in doubt or missing: then there is no valid entry.

    Raises:
        CacheUnavailable: when the cache server does not respond.
    """
    call = scripts.replace_epoch()
    cache.call(lambda redis_client: redis_client.execute_command(*call.parts))


def doubt(cache: CacheClient) -> None:
    """Void every entry by a new epoch that is in doubt, and load the read script.

    Raises:
        CacheUnavailable: when the cache server does not respond.
    """

    def void_and_load(redis_client: Any) -> None:
        # One transaction, because the server could restart again between the two commands.
        pipeline = redis_client.pipeline(transaction=True)
        pipeline.set(keys.epoch(), _IN_DOUBT + keys.token().encode(), px=int(timing.EPOCH_KEPT * 1000))
        pipeline.script_load(cache.read_script.source)
        pipeline.execute()

    cache.call(void_and_load)


def establish(cache: CacheClient) -> bool:
    """End the doubt if every transaction from before it is over; return whether there is none.

    Raises:
        CacheUnavailable: when the cache server or the database does not respond.
    """
    value = _read(cache)
    if value is None:
        doubt(cache)
        value = _read(cache)
    if value is None or not value.startswith(_IN_DOUBT):
        return value is not None
    if cache.group:
        cache.group.require_settled(cache, fresh=True)  # after the epoch was read
    if not _all_over_since(value):
        return False
    # Fails if the server was restarted, or put in doubt again, since the value was read.
    call = scripts.replace_epoch(value)
    return bool(cache.call(lambda redis_client: redis_client.execute_command(*call.parts)))


def looked_lately(cache: CacheClient) -> bool:
    """Record that this process looks at the database; return whether one has within ``LOOK_KEPT`` seconds.

    Raises:
        CacheUnavailable: when the cache server does not respond.
    """
    kept = int(timing.LOOK_KEPT * 1000)
    return bool(cache.call(lambda redis_client: redis_client.set(keys.looked(), 1, px=kept, get=True)))


def keep(cache: CacheClient) -> None:
    """Let the epoch expire ``EPOCH_KEPT`` seconds from now.

    Raises:
        CacheUnavailable: when the cache server does not respond.
    """
    cache.call(lambda redis_client: redis_client.pexpire(keys.epoch(), int(timing.EPOCH_KEPT * 1000)))


def _read(cache: CacheClient) -> bytes | None:
    value: bytes | None = cache.call(lambda redis_client: redis_client.get(keys.epoch()))
    return value


def _all_over_since(value: bytes) -> bool:
    """Return whether every transaction is over that was open when this process met the epoch in doubt."""
    global _met  # noqa: PLW0603 - a process remembers one
    met, before = _met
    with database.errors_as_unavailable():
        still_open = database.open_transactions(connections[DEFAULT_DB_ALIAS])
    _met = (value, still_open & before if met == value else still_open)
    return not _met[1]
