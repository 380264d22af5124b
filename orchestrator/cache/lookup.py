"""Looking up cached responses, and building and storing those that are missing."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.cache import (
    client,
    epoch,
    in_flight,
    keys,
    local_entries,
    metrics,
    scripts,
    signing,
    timing,
)
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheRestarted, CacheUnavailable
from orchestrator.cache.local_entries import VerifiedEntry
from orchestrator.cache.scripts import EntryHeader, Script
from orchestrator.cache.spec import CacheSpec, Lookup

#: Share of hits that the relay later compares with the database (see ``audit``).
AUDIT_SAMPLE_RATE: Final = 1 / 1000


class CacheStatus(Enum):
    """Where a response came from, as the ``X-Cache`` header says it."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True)
class CachedResponse:
    """The body of a response, its ETag without quotes, and where it came from."""

    body: bytes
    etag: str
    status: CacheStatus


#: What the read script gets where the process has no verified entry, and its reply if that entry is current.
_NO_HEADER: Final = EntryHeader(b"", b"", b"")
_CURRENT: Final = 1

UNAVAILABLE: Final = Lookup()
_MISS: Final = Lookup(storable=True)


def look_up(*specs: CacheSpec) -> list[Lookup]:
    """Look up several specs in one round trip.

    Returns ``UNAVAILABLE`` for each, never an error, if the cache cannot be used: the caller then queries the
    database and stores nothing. The same inside a transaction, which may have written, or see an older state.
    """
    cache = client.current()
    if not cache.usable or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return [UNAVAILABLE] * len(specs)
    try:
        lookups = _read_trusted(cache, specs)
    except CacheUnavailable:
        metrics.count("failures", "read")
        return [UNAVAILABLE] * len(specs)
    return lookups or [UNAVAILABLE] * len(specs)


def look_up_if_trusted(*specs: CacheSpec) -> list[Lookup] | None:
    """Look up several specs in one round trip; return None if the cache cannot be trusted now."""
    cache = client.current()
    if not cache.usable:
        return None
    try:
        if not cache.lease.fresh and not _hold_lease_outside_request(cache):
            return None
        lookups = _read(cache, specs)
    except CacheUnavailable:
        return None
    return lookups


def count_hits(*specs: CacheSpec) -> None:
    """Count a hit of each spec, and sample a few for the audit."""
    for spec in specs:
        if random.random() < AUDIT_SAMPLE_RATE:  # noqa: S311 - a sample, no secret
            metrics.sample(spec.key)
    metrics.count_hits(*[spec.group for spec in specs])


def get_or_build(spec: CacheSpec, lookup: Lookup, build: Callable[[], bytes]) -> CachedResponse:
    """Return the cached response, or build it and store it if that is safe.

    Args:
        spec: describes the response.
        lookup: what ``look_up`` returned for the spec.
        build: queries the database and returns the body.
    """
    cached = _hit(spec, lookup)
    if cached:
        return cached
    if not lookup.storable:
        return _build(spec, build, CacheStatus.BYPASS)
    try:
        return _build_single_flight(spec, build)
    except CacheUnavailable:
        return _build(spec, build, CacheStatus.BYPASS)


# --- Reading ------------------------------------------------------------------------------------------------


def _read_trusted(cache: RedisCacheClient, specs: tuple[CacheSpec, ...]) -> list[Lookup] | None:
    """Look up the specs, with a lease; return None while the epoch is in doubt."""
    cache.lease.hold(cache)
    try:
        lookups = _read(cache, specs)
    except CacheRestarted:
        lookups = None
        epoch.doubt(cache)
    if lookups is None and epoch.establish(cache):
        lookups = _read(cache, specs)
    if lookups is not None:
        _end_dead_writers(cache, specs, lookups)
    return lookups


def _hold_lease_outside_request(cache: RedisCacheClient) -> bool:
    """Return whether this process has a lease. Outside a request nobody else closes the connection."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.in_atomic_block:
        return False
    try:
        cache.lease.hold(cache)
    finally:
        connection.close_if_unusable_or_obsolete()
    return True


def _end_dead_writers(cache: RedisCacheClient, specs: tuple[CacheSpec, ...], lookups: list[Lookup]) -> None:
    """Let the tags of specs with a writer in flight be checked now and then: the writer may be dead."""
    busy = [spec for spec, found in zip(specs, lookups, strict=True) if found is UNAVAILABLE]
    if busy:
        in_flight.end_dead_writers(cache, [tag for spec in busy for tag in spec.tags])


def _read(cache: RedisCacheClient, specs: tuple[CacheSpec, ...]) -> list[Lookup] | None:
    """Look up the specs; return None if the epoch is missing or in doubt."""
    known = [local_entries.entries.get(spec.digest) for spec in specs]
    headers = tuple([entry.header if entry else _NO_HEADER for entry in known])
    trusted, *replies = cache.read(_command(cache.read_script, specs, headers))
    return list(map(_lookup_from_reply, specs, known, replies)) if trusted else None


# Consecutive requests tend to look up the same specs.
@lru_cache(maxsize=1024)
def _command(script: Script, specs: tuple[CacheSpec, ...], headers: tuple[EntryHeader, ...]) -> bytes:
    """Return the packed call of the read script."""
    return scripts.read(script, specs, known=headers).by_digest()


def _lookup_from_reply(spec: CacheSpec, known: VerifiedEntry | None, reply: Any) -> Lookup:
    """Return the result for one spec, by the read script's reply and the entry that this process has."""
    if known and reply == _CURRENT:
        return known.lookup
    if reply[0] != b"hit":
        return UNAVAILABLE if reply[0] == b"busy" else _MISS
    _, version, etag, signature, received = reply
    if not signing.verify(signature, spec.digest, version, etag):
        return _MISS
    body = known.body if known and known.header.etag == etag else _checked_body(etag, received)
    if body is None:
        return _MISS
    lookup = Lookup(body, etag.decode(), storable=True, version=version)
    header = EntryHeader(version, etag, signature)
    local_entries.entries.keep(spec.digest, VerifiedEntry(header, lookup, body))
    return lookup


def _checked_body(etag: bytes, received: bytes) -> bytes | None:
    """Return the body, or None if the ETag is not the body's."""
    return received if signing.etag_of(received).encode() == etag else None


def _hit(spec: CacheSpec, lookup: Lookup) -> CachedResponse | None:
    """Return the cached response and count the hit; None if there is no entry."""
    if lookup.body is None:
        return None
    count_hits(spec)
    return CachedResponse(lookup.body, lookup.etag, CacheStatus.HIT)


# --- Building and storing -----------------------------------------------------------------------------------


def _build_single_flight(spec: CacheSpec, build: Callable[[], bytes]) -> CachedResponse:
    """Build the response in one caller; the others wait for its entry, at most ``FILL_WAIT`` seconds."""
    cache, caller = client.current(), keys.token()
    deadline = time.monotonic() + timing.FILL_WAIT
    refill = False
    while True:
        state, *version = cache.run(scripts.claim_fill(spec, caller=caller, refill=refill))
        if state == b"fill":
            return _build_and_store(cache, spec, caller, version[0], build)
        if state == b"busy":
            return _build(spec, build, CacheStatus.BYPASS)
        if time.monotonic() >= deadline:
            return _build(spec, build, CacheStatus.MISS)
        if state == b"wait":
            metrics.count(spec.group, "waits")
            time.sleep(timing.FILL_POLL_EVERY)
        (lookup,) = look_up(spec)
        if lookup.body is not None or not lookup.storable:
            return _hit(spec, lookup) or _build(spec, build, CacheStatus.BYPASS)
        # An entry that is current and yet no hit is invalid: replace it.
        refill = state == b"filled"


def _build(spec: CacheSpec, build: Callable[[], bytes], status: CacheStatus) -> CachedResponse:
    body = build()
    metrics.count(spec.group, "misses" if status is CacheStatus.MISS else "bypasses")
    return CachedResponse(body, signing.etag_of(body), status)


def _build_and_store(
    cache: RedisCacheClient, spec: CacheSpec, caller: str, version: bytes, build: Callable[[], bytes]
) -> CachedResponse:
    try:
        response = _build(spec, build, CacheStatus.MISS)
    except BaseException:
        _release_claim(cache, spec)
        raise
    _store(cache, spec, caller, version, response)
    return response


def _store(
    cache: RedisCacheClient, spec: CacheSpec, caller: str, version: bytes, response: CachedResponse
) -> None:
    """Store a response. A server that is full or unreachable makes no difference to the caller."""
    etag = response.etag.encode()
    header = EntryHeader(version, etag, signing.sign(spec.digest, version, etag))
    try:
        stored = cache.run(scripts.fill(spec, caller=caller, header=header, body=response.body))
    except CacheUnavailable:
        metrics.count("failures", "fill")
        _release_claim(cache, spec)
        return
    if stored:
        metrics.count(spec.group, "fills")


def _release_claim(cache: RedisCacheClient, spec: CacheSpec) -> None:
    """Let another caller build the entry at once: the script that stores it, and does this, has not run."""
    with suppress(CacheUnavailable):
        if cache.usable:
            cache.call(lambda redis_client: redis_client.delete(keys.fill_lock(spec.digest)))
