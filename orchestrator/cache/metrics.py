"""What the cache does, counted over all processes.

Counting is an addition in memory. About once a second a process adds what it counted to counters in the cache
server: one since the server's start, and one for every ten seconds of the last hour. What could not be sent
because the server was away is sent later, so a process that is killed loses a second of counts at most.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.cache import keys, timing
from orchestrator.cache.interface import CacheClient

#: Seconds between two deliveries of one process.
DELIVER_EVERY: Final = 1.0

#: Seconds that one bucket covers, and for which buckets are kept.
BUCKET: Final = 10
BUCKETS_KEPT: Final = 3700

_TOTAL: Final = "total"

#: Recipes that wait to be audited at most, in a process and in the server.
SAMPLES_KEPT: Final = 200

_counts: Counter[str] = Counter()
_samples: deque[str] = deque(maxlen=SAMPLES_KEPT)
_lock = threading.Lock()
_next_delivery = 0.0


@dataclass(frozen=True)
class Counts:
    """Counters by ``group:what`` since the server's start, over the last hour and over the last minute."""

    total: Mapping[str, int]
    hour: Mapping[str, int]
    minute: Mapping[str, int]


def count(group: str, what: str, times: int = 1) -> None:
    """Count that something happened.

    Args:
        group: the group of answers, such as ``jobs``, or of happenings, such as ``failures``.
        what: ``hits``, ``misses``, ``bypasses``, ``fills``, ``waits``, ``invalidations``, …
        times: how often.
    """
    with _lock:
        _counts[f"{group}:{what}"] += times


def count_hits(*groups: str) -> None:
    """Count a hit of each group."""
    with _lock:
        for group in groups:
            _counts[f"{group}:hits"] += 1


def sample(key: str) -> None:
    """Note the key of an answer that shall be audited."""
    _samples.append(key)


def any_counted() -> bool:
    """Return whether this process has counted anything that it has not delivered."""
    return bool(_counts)


def flush_if_due(server: CacheClient) -> None:
    """Deliver this process's counts if it has not done so for a second and the server can be asked."""
    if time.monotonic() >= _next_delivery and server.usable:
        flush(server)


def flush(server: CacheClient) -> None:
    """Add this process's counts to the shared ones; keep them if that fails."""
    global _next_delivery  # noqa: PLW0603 - one clock a process
    _next_delivery = time.monotonic() + DELIVER_EVERY
    with _lock:
        sent = Counter(_counts)
        _counts.clear()
        keys_sampled = list(_samples)
        _samples.clear()
    if not sent:
        return
    try:
        server.call(lambda client: _add(client, sent, keys_sampled))
    except ConnectionError:
        with _lock:
            _counts.update(sent)


def read(server: CacheClient) -> Counts:
    """Return the counters of all processes.

    Raises:
        CacheUnavailable: when the server does not tell.
    """
    flush(server)
    now = int(time.time()) // BUCKET
    buckets = [_TOTAL, *(str(now - age) for age in range(3600 // BUCKET))]
    total, *recent = server.call(lambda client: _fetch(client, buckets))
    return Counts(total, _sum(recent), _sum(recent[: 60 // BUCKET]))


def note_evictions(server: CacheClient, evicted: int) -> None:
    """Count the keys that the server has evicted since somebody looked last: so it is known when they were.

    Args:
        server: the cache server.
        evicted: how many it has evicted since its start.
    """
    key = keys.statistics("evicted")
    try:
        seen = server.call(lambda client: client.set(key, evicted, ex=timing.GENERATION_KEPT, get=True))
    except ConnectionError:
        return  # full, and it evicts nothing: then there is nothing to count either
    before = int(seen) if seen and seen.isdigit() else 0
    if evicted != before:
        count("server", "evicted", evicted - before if evicted > before else evicted)


def _add(client: Any, sent: Mapping[str, int], keys_sampled: list[str]) -> None:
    bucket = keys.statistics(str(int(time.time()) // BUCKET))
    pipeline = client.pipeline(transaction=False)
    for name, times in sent.items():
        pipeline.hincrby(keys.statistics(_TOTAL), name, times)
        pipeline.hincrby(bucket, name, times)
    pipeline.expire(bucket, BUCKETS_KEPT)
    if keys_sampled:
        pipeline.lpush(keys.samples(), *keys_sampled)
        pipeline.ltrim(keys.samples(), 0, SAMPLES_KEPT - 1)
    pipeline.execute()


def _fetch(client: Any, buckets: Iterable[str]) -> list[dict[str, int]]:
    pipeline = client.pipeline(transaction=False)
    for bucket in buckets:
        pipeline.hgetall(keys.statistics(bucket))
    return [_numbers(found) for found in pipeline.execute()]


def _numbers(found: Mapping[bytes, bytes]) -> dict[str, int]:
    """Return the counters of one bucket; what is no number was written by somebody else."""
    return {name.decode(errors="replace"): int(value) for name, value in found.items() if value.isdigit()}


def _sum(buckets: Iterable[Mapping[str, int]]) -> dict[str, int]:
    added: Counter[str] = Counter()
    for bucket in buckets:
        added.update(bucket)
    return dict(added)
