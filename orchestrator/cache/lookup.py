"""Reads: what is still good in the cache, and how what is not gets there."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import client, keys, local_entries, metrics, relay, scripts, signing, timing
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheRestarted, CacheUnavailable
from orchestrator.cache.local_entries import VerifiedEntry
from orchestrator.cache.scripts import Script, Validators
from orchestrator.cache.spec import CacheSpec, Lookup

#: Share of hits that are compared with the database afterwards (see ``audit``).
SAMPLED: Final = 1 / 1000


class CacheStatus(Enum):
    """How an answer came about, as the ``X-Cache`` header says it."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True)
class CachedResponse:
    """The bytes of an answer, their ETag without quotes, and where they came from."""

    body: bytes
    etag: str
    outcome: CacheStatus


#: What the read script is told where no answer is known, and what it says where the known one is still good.
_NO_VALIDATORS: Final[Validators] = (b"", b"", b"")
_AS_KNOWN: Final = 1

UNAVAILABLE: Final = Lookup()
_MISS: Final = Lookup(storable=True)


def look_up(*specs: CacheSpec) -> list[Lookup]:
    """Ask the cache for several answers in one round trip.

    Never raises for a cache that fails: its answer is then ``UNAVAILABLE``, which is to ask the database and
    store nothing. So it is inside a transaction, which may have written, or see an older state.
    """
    current = client.current()
    if not current.usable or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return [UNAVAILABLE] * len(specs)
    try:
        found = _read_trusted(current, specs)
    except CacheUnavailable:
        metrics.count("failures", "read")
        return [UNAVAILABLE] * len(specs)
    metrics.flush_if_due(current)
    return found or [UNAVAILABLE] * len(specs)


def look_up_if_trusted(*specs: CacheSpec) -> list[Lookup] | None:
    """Return what the cache says to several specs, or None where it says nothing without more ado.

    As ``look_up``, but it never queries the database to renew the lease.
    """
    current = client.current()
    if not current.usable:
        return None
    try:
        found = _read(current, specs)
    except CacheUnavailable:
        return None
    metrics.flush_if_due(current)
    return found


def hit(spec: CacheSpec, found: Lookup) -> CachedResponse | None:
    """Return the answer that was found, counted as a hit, or None if there is none."""
    if found.body is None:
        return None
    count_hits(spec)
    return CachedResponse(found.body, found.etag, CacheStatus.HIT)


def count_hits(*specs: CacheSpec) -> None:
    """Count that specs were answered from the cache; a few are audited."""
    for spec in specs:
        if random.random() < SAMPLED:  # noqa: S311 - a sample, no secret
            metrics.sample(spec.key)
    metrics.count_hits(*[spec.group for spec in specs])


def answer(spec: CacheSpec, found: Lookup, build: Callable[[], bytes]) -> CachedResponse:
    """Return the answer to a spec: from the cache, or built and, where that is safe, stored.

    Args:
        spec: what is asked.
        found: what ``look_up`` said to it.
        build: asks the database and returns the body.
    """
    cached = hit(spec, found)
    if cached:
        return cached
    if not found.storable:
        return _built(spec, build, CacheStatus.BYPASS)
    try:
        return _build_single_flight(spec, build)
    except CacheUnavailable:
        return _built(spec, build, CacheStatus.BYPASS)


def _read_trusted(current: RedisCacheClient, specs: tuple[CacheSpec, ...]) -> list[Lookup] | None:
    """Return what the cache says, or None when it may not be trusted even after ``relay_once``."""
    try:
        found = _read(current, specs)
    except CacheRestarted:
        found = None
        relay.reset_after_restart(current)
    if found is None and _tick_once(current):
        found = _read(current, specs)
    return found


def _read(current: RedisCacheClient, specs: tuple[CacheSpec, ...]) -> list[Lookup] | None:
    """Return what the cache says, or None when it may not be trusted."""
    known = [local_entries.kept.get(spec.digest) for spec in specs]
    proofs = tuple([checked.validators if checked else _NO_VALIDATORS for checked in known])
    trusted, *replies = current.read(_command(current.read_script, specs, proofs))
    return list(map(_found, specs, known, replies)) if trusted else None


# What one request asks, the next one asks again.
@lru_cache(maxsize=1024)
def _command(script: Script, specs: tuple[CacheSpec, ...], proofs: tuple[Validators, ...]) -> bytes:
    """Return the packed command that asks some specs, where answers with some proofs are known."""
    return scripts.read(script, specs, known=proofs).by_digest()


_ticking = threading.Lock()


def _tick_once(current: RedisCacheClient) -> bool:
    """Tick if nobody in this process is at it; return whether the cache may be trusted now."""
    if not _ticking.acquire(blocking=False):
        return False
    try:
        return relay.relay_once(current)
    finally:
        _ticking.release()


def _found(spec: CacheSpec, known: VerifiedEntry | None, reply: Any) -> Lookup:
    """Return what the read script's reply to a spec says to who knew an answer, or none."""
    if known and reply == _AS_KNOWN:
        return known.found
    if reply[0] != b"hit":
        return UNAVAILABLE if reply[0] == b"busy" else _MISS
    _, version, etag, sign, received = reply
    if not signing.verify(sign, spec.digest, version, etag):
        return _MISS
    body = known.body if known and known.validators[1] == etag else _body_of(etag, received)
    if body is None:
        return _MISS
    found = Lookup(body, etag.decode(), storable=True, version=version)
    local_entries.kept.keep(spec.digest, VerifiedEntry((version, etag, sign), found, body))
    return found


def _body_of(etag: bytes, received: bytes) -> bytes | None:
    return received if signing.etag_of(received).encode() == etag else None


def _build_single_flight(spec: CacheSpec, build: Callable[[], bytes]) -> CachedResponse:
    current, caller = client.current(), keys.token()
    deadline = time.monotonic() + timing.FILL_WAIT
    state = b""
    while True:
        # What somebody has filled since it was looked for, and is no hit then either, is no good.
        refill = state == b"filled"
        state, *version = current.run(scripts.claim_fill(spec, caller=caller, refill=refill))
        if state == b"busy":
            return _built(spec, build, CacheStatus.BYPASS)
        if state == b"fill":
            built = _built_or_abandoned(current, spec, caller, build)
            _store(current, spec, caller, version[0], built)
            return built
        if time.monotonic() >= deadline:
            return _built(spec, build, CacheStatus.MISS)
        if state == b"wait":
            metrics.count(spec.group, "waits")
            time.sleep(timing.FILL_POLL_EVERY)
        (found,) = look_up(spec)
        cached = hit(spec, found)
        if cached:
            return cached
        if not found.storable:
            return _built(spec, build, CacheStatus.BYPASS)


def _store(
    current: RedisCacheClient, spec: CacheSpec, caller: str, version: bytes, built: CachedResponse
) -> None:
    """Store an answer; a server that has no room for it, or is gone, changes nothing for the caller."""
    etag = built.etag.encode()
    validators = (version, etag, signing.sign(spec.digest, version, etag))
    try:
        stored = current.run(scripts.fill(spec, caller=caller, validators=validators, body=built.body))
    except CacheUnavailable:
        metrics.count("failures", "fill")
        _unlock(current, spec)
        return
    if stored:
        metrics.count(spec.group, "fills")


def _unlock(current: RedisCacheClient, spec: CacheSpec) -> None:
    """Let others fill at once: a server that is full has refused the step that would have done it."""
    with suppress(CacheUnavailable):
        if current.usable:
            current.call(lambda client: client.delete(keys.fill_lock(spec.digest)))


def _built_or_abandoned(
    current: RedisCacheClient, spec: CacheSpec, caller: str, build: Callable[[], bytes]
) -> CachedResponse:
    """Return a built answer; if building fails, let the next caller fill at once."""
    try:
        return _built(spec, build, CacheStatus.MISS)
    except BaseException:
        _store(current, spec, caller, b"", CachedResponse(b"", "", CacheStatus.MISS))
        raise


def _built(spec: CacheSpec, build: Callable[[], bytes], outcome: CacheStatus) -> CachedResponse:
    body = build()
    metrics.count(spec.group, "misses" if outcome is CacheStatus.MISS else "bypasses")
    return CachedResponse(body, signing.etag_of(body), outcome)
