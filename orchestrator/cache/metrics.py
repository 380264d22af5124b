"""Counters of what the cache does, summed over all processes.

Counting is an addition in memory. A fifth of a second later a thread adds the process's counts to counters in
the cache server, whether or not another request comes: one set since the server's start, and one for each ten
seconds of the last hour. Counts that could not be sent are kept and sent later, so a process that is killed
loses the counts of a fifth of a second at most.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.cache import keys, timing
from orchestrator.cache.interface import CacheClient

#: Seconds between two flushes of one process.
FLUSH_EVERY: Final = 0.2

#: Seconds that one bucket covers, and seconds for which a bucket is kept.
BUCKET_SECONDS: Final = 10
BUCKET_TTL: Final = 3700

_TOTAL: Final = "total"

#: Response keys that wait for the audit at most, in a process and in the server.
MAX_SAMPLES: Final = 200

_counts: Counter[str] = Counter()
_samples: deque[str] = deque(maxlen=MAX_SAMPLES)
_lock = threading.Lock()
#: Held while counts are on their way, so that ``read`` misses none.
_sending = threading.Lock()
_flusher: threading.Thread | None = None
_current_client: Callable[[], CacheClient]


@dataclass(frozen=True)
class Counts:
    """Counters by ``group:event`` since the server's start, over the last hour and over the last minute."""

    total: Mapping[str, int]
    hour: Mapping[str, int]
    minute: Mapping[str, int]


def count(group: str, event: str, times: int = 1) -> None:
    """Add to a counter.

    Args:
        group: a group of responses, such as ``jobs``, or of other events, such as ``failures``.
        event: ``hits``, ``misses``, ``bypasses``, ``fills``, ``waits``, ``invalidations``, …
        times: how often it happened.
    """
    with _lock:
        _counts[f"{group}:{event}"] += times
        _flush_soon()


def count_hits(*groups: str) -> None:
    """Count a hit of each group."""
    with _lock:
        for group in groups:
            _counts[f"{group}:hits"] += 1
        _flush_soon()


def _flush_soon() -> None:
    """Have a thread send the counts: the next request of this process may come much later."""
    global _flusher  # noqa: PLW0603 - one thread per process
    if _flusher is None or not _flusher.is_alive():  # a child process has its parent's, which is not alive
        _flusher = threading.Thread(target=_flush_until_sent, name="cache-counts", daemon=True)
        with suppress(RuntimeError):  # no more threads can be started: the next count tries again
            _flusher.start()


def _flush_until_sent() -> None:
    global _flusher  # noqa: PLW0603 - one thread per process
    while True:
        time.sleep(FLUSH_EVERY)
        client = _current_client()
        if client.usable:
            flush(client)
        with _lock:
            if not _counts:
                _flusher = None
                return


def send_to(current_client: Callable[[], CacheClient]) -> None:
    """Set the function that returns the client by which counts are sent."""
    global _current_client  # noqa: PLW0603 - set once, by the module of the client, which counts as well
    _current_client = current_client


def sample(key: str) -> None:
    """Queue the key of a cached response for the audit."""
    _samples.append(key)


def has_counts() -> bool:
    """Return whether this process has counts that it has not sent."""
    return bool(_counts)


def flush(cache: CacheClient) -> None:
    """Add this process's counts to the shared counters; keep them if that fails."""
    with _sending:
        with _lock:
            counts = Counter(_counts)
            _counts.clear()
            samples = list(_samples)
            _samples.clear()
        if not counts:
            return
        try:
            cache.call(lambda redis_client: _add(redis_client, counts, samples))
        except ConnectionError:
            with _lock:
                _counts.update(counts)


def read(cache: CacheClient) -> Counts:
    """Return the counters of all processes.

    Raises:
        CacheUnavailable: when the server does not respond.
    """
    flush(cache)
    now = int(time.time()) // BUCKET_SECONDS
    buckets = [_TOTAL, *(str(now - age) for age in range(3600 // BUCKET_SECONDS))]
    total, *recent = cache.call(lambda redis_client: _fetch(redis_client, buckets))
    return Counts(total, _sum(recent), _sum(recent[: 60 // BUCKET_SECONDS]))


def note_evictions(cache: CacheClient, evicted: int) -> None:
    """Count the keys that the server has evicted since the last call of any process, with the current time.

    Args:
        cache: the cache client.
        evicted: keys that the server has evicted since its start.
    """
    key = keys.counters("evicted")
    try:
        last = cache.call(
            lambda redis_client: redis_client.set(key, evicted, ex=timing.GENERATION_KEPT, get=True)
        )
    except ConnectionError:
        return  # a full server that refuses the SET evicts nothing
    before = int(last) if last and last.isdigit() else 0
    if evicted != before:
        count("server", "evicted", evicted - before if evicted > before else evicted)


def _add(redis_client: Any, counts: Mapping[str, int], samples: list[str]) -> None:
    bucket = keys.counters(str(int(time.time()) // BUCKET_SECONDS))
    pipeline = redis_client.pipeline(transaction=False)
    for name, times in counts.items():
        pipeline.hincrby(keys.counters(_TOTAL), name, times)
        pipeline.hincrby(bucket, name, times)
    pipeline.expire(bucket, BUCKET_TTL)
    if samples:
        pipeline.lpush(keys.audit_samples(), *samples)
        pipeline.ltrim(keys.audit_samples(), 0, MAX_SAMPLES - 1)
    pipeline.execute()


def _fetch(redis_client: Any, buckets: Iterable[str]) -> list[dict[str, int]]:
    pipeline = redis_client.pipeline(transaction=False)
    for bucket in buckets:
        pipeline.hgetall(keys.counters(bucket))
    return [_numbers(fields) for fields in pipeline.execute()]


def _numbers(fields: Mapping[bytes, bytes]) -> dict[str, int]:
    """Return the counters of one bucket; a value that is no number was written by other code."""
    return {name.decode(errors="replace"): int(value) for name, value in fields.items() if value.isdigit()}


def _sum(buckets: Iterable[Mapping[str, int]]) -> dict[str, int]:
    added: Counter[str] = Counter()
    for bucket in buckets:
        added.update(bucket)
    return dict(added)
