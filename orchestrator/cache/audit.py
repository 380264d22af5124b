"""The audit: cached answers compared with the database."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from orchestrator.cache import keys, lookup, metrics
from orchestrator.cache.client import Server
from orchestrator.cache.interface import CacheUnavailableError
from orchestrator.cache.spec import Question

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
    """A question asked again of the database: the question itself, and the body of its answer."""

    question: Question
    body: bytes


#: Answers a recipe from the database, past the cache; None for a recipe that nobody can answer any more.
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
        replay: answers a recipe from the database.
    """
    verdicts: Counter[str] = Counter({verdict.value: 0 for verdict in Verdict})
    stale = []
    for recipe in recipes:
        verdict = _verdict(recipe, replay)
        verdicts[verdict.value] += 1
        metrics.count("audit", verdict.value)
        if verdict is Verdict.STALE:
            stale.append(recipe)
    return Report(dict(verdicts), tuple(stale))


def cached_recipes(server: Server, limit: int | None) -> Iterator[str]:
    """Return the recipes of answers that are in the cache, at most ``limit`` of them, all for None.

    Raises:
        CacheUnavailableError: when the server does not tell.
    """
    found, cursor = 0, 0
    while True:
        cursor, names = server.ask(partial(_scan, cursor=cursor))
        for name in names:
            recipe = _recipe(server, name)
            if recipe is not None:
                yield recipe
                found += 1
            if found == limit:
                return
        if not cursor:
            return


def audit_live(server: Server, replay: Replay, stop: threading.Event) -> None:
    """Audit what the processes sample of their hits, until told to stop.

    Args:
        server: the cache server.
        replay: answers a recipe from the database.
        stop: ends the auditing when set.
    """
    while not stop.wait(LOOK_EVERY):
        try:
            sampled = server.ask(lambda client: client.rpop(keys.samples(), RECIPES_AT_ONCE)) or []
        except CacheUnavailableError:
            continue
        audit([recipe.decode(errors="replace") for recipe in sampled], replay)
        metrics.deliver_if_due(server)


def _scan(client: Any, cursor: int) -> Any:
    return client.scan(cursor, match=keys.entries(), count=500)


def _recipe(server: Server, name: bytes) -> str | None:
    def fetch(client: Any) -> Any:
        return client.hget(name, "recipe") if client.type(name) == b"hash" else None

    recipe = server.ask(fetch)
    return None if recipe is None else recipe.decode(errors="replace")


def _verdict(recipe: str, replay: Replay) -> Verdict:
    """Return what a recipe's cached answer is worth.

    It is stale if it differs from what the database says between two looks at the cache that found the same
    answer, made under the same generations: no write was acknowledged between them.
    """
    replayed = replay(recipe)
    if replayed is None:
        return Verdict.GONE
    (before,) = lookup.look_up(replayed.question)
    if before.body is None or (replayed := replay(recipe)) is None:
        return Verdict.GONE
    (after,) = lookup.look_up(replayed.question)
    if after.body is None or after.stamp != before.stamp:
        return Verdict.GONE
    return Verdict.EQUAL if replayed.body == before.body else Verdict.STALE
