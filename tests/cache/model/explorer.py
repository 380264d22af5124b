"""A breadth-first search through all states that a model can reach."""

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Exploration:
    """The result: the number of states and steps, and the shortest path to the state sought, if it exists."""

    states: int
    steps: int
    seconds: float
    path: tuple[str, ...] | None

    def __str__(self):
        path = "not found" if self.path is None else " → ".join(self.path)
        return f"{self.states:,} states, {self.steps:,} steps, {self.seconds:.1f} s: {path}"


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

    def result(path=None):
        return Exploration(len(origins), steps, time.perf_counter() - started, path)

    while frontier:
        reached = []
        for state in frontier:
            for label, raw in successors(state):
                steps += 1
                if raw in origins or (following := normal_form(raw)) in origins:
                    continue
                origins[following] = (label, state)
                if is_sought(following):
                    return result(path_to(following, origins))
                reached.append(following)
        frontier = reached
    return result()


def path_to(state: S, origins: dict[S, tuple[str, S] | None]) -> tuple[str, ...]:
    """Return the labels of the steps from the initial state to ``state``."""
    labels = []
    while origin := origins[state]:
        label, state = origin
        labels.append(label)
    return tuple(reversed(labels))
