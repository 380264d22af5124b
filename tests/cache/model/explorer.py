"""A breadth-first search through all states that a model can reach."""

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Exploration:
    """What was seen: distinct states, steps between them, and the shortest way to the one sought, if any."""

    states: int
    steps: int
    seconds: float
    way: tuple[str, ...] | None

    def __str__(self):
        way = "not found" if self.way is None else " → ".join(self.way)
        return f"{self.states:,} states, {self.steps:,} steps, {self.seconds:.1f} s: {way}"


def explore(
    initial: S,
    successors: Callable[[S], Iterable[tuple[str, S]]],
    is_sought: Callable[[S], bool],
    normal_form: Callable[[S], S] = lambda state: state,
) -> Exploration:
    """Visit every state once, up to ``normal_form``; stop at the first that ``is_sought``."""
    started = time.perf_counter()
    origins: dict[S, tuple[str, S] | None] = {initial: None}
    frontier, steps = [initial], 0

    def result(way=None):
        return Exploration(len(origins), steps, time.perf_counter() - started, way)

    while frontier:
        reached = []
        for state in frontier:
            for label, raw in successors(state):
                steps += 1
                if raw in origins or (following := normal_form(raw)) in origins:
                    continue
                origins[following] = (label, state)
                if is_sought(following):
                    return result(way_to(following, origins))
                reached.append(following)
        frontier = reached
    return result()


def way_to(state: S, origins: dict[S, tuple[str, S] | None]) -> tuple[str, ...]:
    """Return the labels of the steps from the initial state to ``state``."""
    labels = []
    while origin := origins[state]:
        label, state = origin
        labels.append(label)
    return tuple(reversed(labels))
