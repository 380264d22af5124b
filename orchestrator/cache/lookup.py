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
from orchestrator.cache.client import Server
from orchestrator.cache.interface import CacheRestartedError, CacheUnavailableError
from orchestrator.cache.local_entries import Checked
from orchestrator.cache.scripts import Proof, Script
from orchestrator.cache.spec import Found, Question

#: Share of hits that are compared with the database afterwards (see ``audit``).
SAMPLED: Final = 1 / 1000


class Outcome(Enum):
    """How an answer came about, as the ``X-Cache`` header says it."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True)
class Answer:
    """The bytes of an answer, their ETag without quotes, and where they came from."""

    body: bytes
    etag: str
    outcome: Outcome


#: What the read script is told where no answer is known, and what it says where the known one is still good.
_NO_PROOF: Final[Proof] = (b"", b"", b"")
_AS_KNOWN: Final = 1

NOTHING: Final = Found()
_MISSING: Final = Found(fillable=True)


def look_up(*questions: Question) -> list[Found]:
    """Ask the cache for several answers in one round trip.

    Never raises for a cache that fails: its answer is then ``NOTHING``, which is to ask the database and
    store nothing. So it is inside a transaction, which may have written, or see an older state.
    """
    current = client.current()
    if not current.usable or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return [NOTHING] * len(questions)
    try:
        found = _read_trusted(current, questions)
    except CacheUnavailableError:
        metrics.count("failures", "read")
        return [NOTHING] * len(questions)
    metrics.deliver_if_due(current)
    return found or [NOTHING] * len(questions)


def peek(*questions: Question) -> list[Found] | None:
    """Return what the cache says to several questions, or None where it says nothing without more ado.

    As ``look_up``, but it does not tick, and so never asks the database.
    """
    current = client.current()
    if not current.usable:
        return None
    try:
        found = _read(current, questions)
    except CacheUnavailableError:
        return None
    metrics.deliver_if_due(current)
    return found


def hit(question: Question, found: Found) -> Answer | None:
    """Return the answer that was found, counted as a hit, or None if there is none."""
    if found.body is None:
        return None
    count_hits(question)
    return Answer(found.body, found.etag, Outcome.HIT)


def count_hits(*questions: Question) -> None:
    """Count that questions were answered from the cache; a few are audited."""
    for question in questions:
        if random.random() < SAMPLED:  # noqa: S311 - a sample, no secret
            metrics.sample(question.recipe)
    metrics.count_hits(*[question.group for question in questions])


def answer(question: Question, found: Found, build: Callable[[], bytes]) -> Answer:
    """Return the answer to a question: from the cache, or built and, where that is safe, stored.

    Args:
        question: what is asked.
        found: what ``look_up`` said to it.
        build: asks the database and returns the body.
    """
    cached = hit(question, found)
    if cached:
        return cached
    if not found.fillable:
        return _built(question, build, Outcome.BYPASS)
    try:
        return _fill_or_wait(question, build)
    except CacheUnavailableError:
        return _built(question, build, Outcome.BYPASS)


def _read_trusted(current: Server, questions: tuple[Question, ...]) -> list[Found] | None:
    """Return what the cache says, or None when it may not be trusted even after a tick."""
    try:
        found = _read(current, questions)
    except CacheRestartedError:
        found = None
        relay.welcome(current)
    if found is None and _tick_once(current):
        found = _read(current, questions)
    return found


def _read(current: Server, questions: tuple[Question, ...]) -> list[Found] | None:
    """Return what the cache says, or None when it may not be trusted."""
    known = [local_entries.kept.get(question.digest) for question in questions]
    proofs = tuple([checked.proof if checked else _NO_PROOF for checked in known])
    trusted, *replies = current.read(_command(current.read_script, questions, proofs))
    return list(map(_found, questions, known, replies)) if trusted else None


# What one request asks, the next one asks again.
@lru_cache(maxsize=1024)
def _command(script: Script, questions: tuple[Question, ...], proofs: tuple[Proof, ...]) -> bytes:
    """Return the packed command that asks some questions, where answers with some proofs are known."""
    return scripts.read(script, questions, known=proofs).by_digest()


_ticking = threading.Lock()


def _tick_once(current: Server) -> bool:
    """Tick if nobody in this process is at it; return whether the cache may be trusted now."""
    if not _ticking.acquire(blocking=False):
        return False
    try:
        return relay.tick(current)
    finally:
        _ticking.release()


def _found(question: Question, known: Checked | None, reply: Any) -> Found:
    """Return what the read script's reply to a question says to who knew an answer, or none."""
    if known and reply == _AS_KNOWN:
        return known.found
    if reply[0] != b"hit":
        return NOTHING if reply[0] == b"busy" else _MISSING
    _, stamp, etag, seal, received = reply
    if not signing.is_genuine(seal, question.digest, stamp, etag):
        return _MISSING
    body = known.body if known and known.proof[1] == etag else _body_of(etag, received)
    if body is None:
        return _MISSING
    found = Found(body, etag.decode(), fillable=True, stamp=stamp)
    local_entries.kept.keep(question.digest, Checked((stamp, etag, seal), found, body))
    return found


def _body_of(etag: bytes, received: bytes) -> bytes | None:
    return received if signing.etag_of(received).encode() == etag else None


def _fill_or_wait(question: Question, build: Callable[[], bytes]) -> Answer:
    current, caller = client.current(), keys.token()
    deadline = time.monotonic() + timing.FILL_WAIT
    state = b""
    while True:
        # What somebody has filled since it was looked for, and is no hit then either, is no good.
        refill = state == b"filled"
        state, *stamp = current.run(scripts.open_entry(question, caller=caller, refill=refill))
        if state == b"busy":
            return _built(question, build, Outcome.BYPASS)
        if state == b"fill":
            built = _built_or_abandoned(current, question, caller, build)
            _store(current, question, caller, stamp[0], built)
            return built
        if time.monotonic() >= deadline:
            return _built(question, build, Outcome.MISS)
        if state == b"wait":
            metrics.count(question.group, "waits")
            time.sleep(timing.FILL_POLL_EVERY)
        (found,) = look_up(question)
        cached = hit(question, found)
        if cached:
            return cached
        if not found.fillable:
            return _built(question, build, Outcome.BYPASS)


def _store(current: Server, question: Question, caller: str, stamp: bytes, built: Answer) -> None:
    """Store an answer; a server that has no room for it, or is gone, changes nothing for the caller."""
    etag = built.etag.encode()
    proof = (stamp, etag, signing.seal(question.digest, stamp, etag))
    try:
        stored = current.run(scripts.fill(question, caller=caller, proof=proof, body=built.body))
    except CacheUnavailableError:
        metrics.count("failures", "fill")
        _unlock(current, question)
        return
    if stored:
        metrics.count(question.group, "fills")


def _unlock(current: Server, question: Question) -> None:
    """Let others fill at once: a server that is full has refused the step that would have done it."""
    with suppress(CacheUnavailableError):
        if current.usable:
            current.ask(lambda client: client.delete(keys.fill_lock(question.digest)))


def _built_or_abandoned(
    current: Server, question: Question, caller: str, build: Callable[[], bytes]
) -> Answer:
    """Return a built answer; if building fails, let the next caller fill at once."""
    try:
        return _built(question, build, Outcome.MISS)
    except BaseException:
        _store(current, question, caller, b"", Answer(b"", "", Outcome.MISS))
        raise


def _built(question: Question, build: Callable[[], bytes], outcome: Outcome) -> Answer:
    body = build()
    metrics.count(question.group, "misses" if outcome is Outcome.MISS else "bypasses")
    return Answer(body, signing.etag_of(body), outcome)
