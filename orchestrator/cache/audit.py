"""The audit: it compares cached responses with the database."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import keys, lookup, metrics
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.cache.relay import StopRequest
from orchestrator.cache.spec import CacheSpec

logger = logging.getLogger(__name__)

#: Seconds between two rounds of the live audit, and responses compared in one round.
ROUND_EVERY: Final = 1.0
MAX_KEYS_PER_ROUND: Final = 10


class Verdict(StrEnum):
    """The result of comparing one cached response."""

    EQUAL = "equal"
    STALE = "stale"
    GONE = "gone"  # not cached any more, or replaced meanwhile: nothing to compare


@dataclass(frozen=True)
class Replayed:
    """A request run again without the cache: its spec, and the body from the database."""

    spec: CacheSpec
    body: bytes


#: Runs the request of a response key without the cache; returns None if it has no response any more.
Replay = Callable[[str], Replayed | None]


@dataclass(frozen=True)
class AuditReport:
    """The result of an audit: the number of responses by verdict, and the keys of the stale ones."""

    verdicts: dict[str, int]
    stale: tuple[str, ...]


def audit(response_keys: Iterable[str], replay: Replay) -> AuditReport:
    """Compare cached responses with the database.

    Args:
        response_keys: the keys of the responses.
        replay: runs the request of a key.
    """
    verdicts: Counter[str] = Counter({verdict.value: 0 for verdict in Verdict})
    stale = []
    for key in response_keys:
        verdict = _logged_verdict(key, replay)
        verdicts[verdict.value] += 1
        metrics.count("audit", verdict.value)
        if verdict is Verdict.STALE:
            stale.append(key)
    return AuditReport(dict(verdicts), tuple(stale))


def cached_keys(cache: RedisCacheClient, limit: int | None) -> Iterator[str]:
    """Return the keys of cached responses: at most ``limit``, or all for None.

    Raises:
        CacheUnavailable: when the server does not respond.
    """
    found, cursor = 0, 0
    while True:
        cursor, entries = cache.call(partial(_scan, cursor=cursor))
        for entry in entries:
            key = _response_key(cache, entry)
            if key is not None:
                yield key
                found += 1
            if found == limit:
                return
        if not cursor:
            return


def audit_live(cache: RedisCacheClient, replay: Replay, stop: StopRequest) -> None:
    """Audit the hits that all processes have sampled, until the request to end.

    Args:
        cache: the cache client.
        replay: runs the request of a response key.
        stop: the request to end.
    """
    while not stop.wait(ROUND_EVERY):
        try:
            sampled = cache.call(_pop_samples) or []
        except CacheUnavailable:
            continue
        audit([key.decode(errors="replace") for key in sampled], replay)
        # Outside a request nobody else replaces a connection that was lost.
        connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()


def _pop_samples(redis_client: Any) -> Any:
    return redis_client.rpop(keys.audit_samples(), MAX_KEYS_PER_ROUND)


def _scan(redis_client: Any, cursor: int) -> Any:
    return redis_client.scan(cursor, match=keys.entry_pattern(), count=500)


def _response_key(cache: RedisCacheClient, entry: bytes) -> str | None:
    def fetch(redis_client: Any) -> Any:
        return redis_client.hget(entry, "key") if redis_client.type(entry) == b"hash" else None

    key = cache.call(fetch)
    return None if key is None else key.decode(errors="replace")


def _logged_verdict(key: str, replay: Replay) -> Verdict:
    """Compare the cached response of one key; a key that fails is logged and does not end the audit."""
    try:
        return _verdict(key, replay)
    except Exception as error:  # noqa: BLE001 - a key is any text: the cache server's clients write it
        message = "A cached response cannot be compared: %.200r: %s: %s"
        logger.warning(message, key, type(error).__name__, error)
        return Verdict.GONE


def _verdict(key: str, replay: Replay) -> Verdict:
    """Compare the cached response of one key.

    It is stale if it differs from the database although it had the same version before and after the database
    was queried: no write was acknowledged in between.
    """
    replayed = replay(key)
    if replayed is None:
        return Verdict.GONE
    (before,) = lookup.look_up(replayed.spec)
    if before.body is None or (replayed := replay(key)) is None:
        return Verdict.GONE
    (after,) = lookup.look_up(replayed.spec)
    if after.body is None or after.version != before.version:
        return Verdict.GONE
    return Verdict.EQUAL if replayed.body == before.body else Verdict.STALE
