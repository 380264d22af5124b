"""The scheduler that sends each test to a worker of its engine."""

import re
from itertools import chain

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScheduling
from xdist.workermanage import WorkerController

from tests.engines import ENGINE_VARIABLE, ENGINES

ENGINE_OF_ID = re.compile(rf"^[^\[]*\[({'|'.join(ENGINES)})(?:-.*)?\]$", re.DOTALL)
# Where a single test takes many seconds: begun first of their kind, so that none is the last, and alone.
LONG = ("tests/run/", "tests/infrastructure/test_pytest_run.py")
# xdist starts a test only when it knows the next one, so that it can end fixtures that nobody needs any more.
AHEAD = 2


def engine_of(nodeid: str) -> str | None:
    """Return the engine that a test's id begins its parameters with, or None for a test that is neutral."""
    match = ENGINE_OF_ID.match(nodeid)
    return match[1] if match else None


class EngineScheduling(LoadScheduling):
    """Hands out one test after the other: a worker takes those of its engine first, then what is neutral.

    Neutral tests come last because every worker can take them: they level out what the engines take
    longer or shorter, the long ones first. A worker stays in a file while it has tests, for the fixtures it
    has made there.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        """Make the scheduler of a run whose workers have an engine in their environment."""
        super().__init__(config, log)
        self._engines: list[str | None] = []
        self._files: list[str] = []

    def schedule(self) -> None:
        """Start the distribution, or go on with it after a worker that had crashed was replaced."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            self.collection = next(iter(self.node2collection.values()))
            # Only the id is known here. A neutral test whose id looks like one of an engine goes there, as it
            # might go anywhere; where no worker has that engine, it is neutral for sure.
            served = {node.gateway.spec.env[ENGINE_VARIABLE] for node in self.nodes}
            engines = [engine_of(nodeid) for nodeid in self.collection]
            self._engines = [engine if engine in served else None for engine in engines]
            self._files = [nodeid.partition("::")[0] for nodeid in self.collection]
            self.pending[:] = sorted(
                range(len(self.collection)), key=lambda index: not self._files[index].startswith(LONG)
            )
        for node in self.nodes:
            self.check_schedule(node)

    def check_schedule(self, node: WorkerController, duration: float = 0) -> None:
        """Give a worker its next tests, or let it end when there is nothing left that it could run."""
        while not node.shutting_down and len(self.node2pending[node]) < AHEAD:
            index = self._next(node)
            if index is None:
                node.shutdown()
            else:
                self.pending.remove(index)
                self.node2pending[node].append(index)
                node.send_runtest_some([index])

    def _next(self, node: WorkerController) -> int | None:
        engine = node.gateway.spec.env[ENGINE_VARIABLE]
        mine = {self._files[index] for index in self.node2pending[node]}
        others = {self._files[index] for index in chain.from_iterable(self.node2pending.values())}
        first: dict[tuple[bool, int], int] = {}
        for index in self.pending:
            if self._engines[index] not in (engine, None):
                continue
            file = self._files[index]
            rank = (self._engines[index] is None, 0 if file in mine else 2 if file in others else 1)
            if rank == (False, 0):
                return index
            first.setdefault(rank, index)
        return first[min(first)] if first else None
