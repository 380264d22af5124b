"""The audit: cached answers compared with the database."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from orchestrator.cache import keys, lookup, metrics
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.cache.spec import CacheSpec

#: Seconds between two looks of the live audit at what was sampled, and recipes audited at one look.
LOOK_EVERY: Final = 1.0
RECIPES_AT_ONCE: Final = 10


class Verdict(StrEnum):
    """What the audit found of one cached answer."""

    EQUAL = "equal"
    STALE = "stale"
    GONE = "gone"  # not cached any more, or made anew meanwhile: nothing to compare


@dataclass(frozen=True)
class Replayed:
    """A spec asked again of the database: the spec itself, and the body of its answer."""

    spec: CacheSpec
    body: bytes


#: Answers a key from the database, past the cache; None for a key that nobody can answer any more.
Replay = Callable[[str], Replayed | None]


@dataclass(frozen=True)
class Report:
    """What an audit found: how many answers of each verdict, and the recipes of the stale ones."""

    verdicts: dict[str, int]
    stale: tuple[str, ...]


def audit(recipes: Iterable[str], replay: Replay) -> Report:
    """Compare the cached answers of some recipes with the database.

    Args:
        recipes: which answers.
        replay: answers a key from the database.
    """
    verdicts: Counter[str] = Counter({verdict.value: 0 for verdict in Verdict})
    stale = []
    for key in recipes:
        verdict = _verdict(key, replay)
        verdicts[verdict.value] += 1
        metrics.count("audit", verdict.value)
        if verdict is Verdict.STALE:
            stale.append(key)
    return Report(dict(verdicts), tuple(stale))


def cached_keys(server: RedisCacheClient, limit: int | None) -> Iterator[str]:
    """Return the recipes of answers that are in the cache, at most ``limit`` of them, all for None.

    Raises:
        CacheUnavailable: when the server does not tell.
    """
    found, cursor = 0, 0
    while True:
        cursor, names = server.call(partial(_scan, cursor=cursor))
        for name in names:
            key = _recipe(server, name)
            if key is not None:
                yield key
                found += 1
            if found == limit:
                return
        if not cursor:
            return


def audit_live(server: RedisCacheClient, replay: Replay, stop: threading.Event) -> None:
    """Audit what the processes sample of their hits, until told to stop.

    Args:
        server: the cache server.
        replay: answers a key from the database.
        stop: ends the auditing when set.
    """
    while not stop.wait(LOOK_EVERY):
        try:
            sampled = server.call(lambda client: client.rpop(keys.samples(), RECIPES_AT_ONCE)) or []
        except CacheUnavailable:
            continue
        audit([key.decode(errors="replace") for key in sampled], replay)
        metrics.flush_if_due(server)


def _scan(client: Any, cursor: int) -> Any:
    return client.scan(cursor, match=keys.entries(), count=500)


def _recipe(server: RedisCacheClient, name: bytes) -> str | None:
    def fetch(client: Any) -> Any:
        return client.hget(name, "key") if client.type(name) == b"hash" else None

    key = server.call(fetch)
    return None if key is None else key.decode(errors="replace")


def _verdict(key: str, replay: Replay) -> Verdict:
    """Return what a key's cached answer is worth.

    It is stale if it differs from what the database says between two looks at the cache that found the same
    answer, made under the same generations: no write was acknowledged between them.
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
