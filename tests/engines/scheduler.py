"""An xdist scheduler that sends each test to a worker with the right engine."""

import re
from itertools import chain

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScheduling
from xdist.workermanage import WorkerController

from tests.engines import ENGINE_VARIABLE, ENGINES

ENGINE_OF_ID = re.compile(rf"^[^\[]*\[({'|'.join(ENGINES)})(?:-.*)?\]$", re.DOTALL)
# Files whose tests take many seconds each. They start first, so that the run does not end waiting for one.
LONG = ("tests/run/", "tests/infrastructure/test_pytest_run.py")
# A worker starts a test only when it knows the next one, because that decides which fixtures it tears down.
TESTS_AHEAD = 2


def engine_of(nodeid: str) -> str | None:
    """Return the engine in a test's id (its first parameter), or None for a neutral test."""
    match = ENGINE_OF_ID.match(nodeid)
    return match[1] if match else None


class EngineScheduling(LoadScheduling):
    """Hands out tests one by one: to each worker first the tests of its engine, then neutral tests.

    Neutral tests come last because any worker can run them: they balance the engines' different run times.
    The long ones come first. A worker stays in a file as long as the file has tests, to reuse its fixtures.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        """Create the scheduler of a run whose workers have an engine in their environment."""
        super().__init__(config, log)
        self._engines: list[str | None] = []
        self._files: list[str] = []

    def schedule(self) -> None:
        """Start handing out tests, or go on after a crashed worker was replaced."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            self.collection = next(iter(self.node2collection.values()))
            # Only the test's id is known here. A neutral test whose id looks like that of an engine runs on
            # that engine, which does no harm. If no worker has the engine, the test must be neutral.
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
        """Give a worker its next tests, or shut it down when no test is left for it."""
        while not node.shutting_down and len(self.node2pending[node]) < TESTS_AHEAD:
            index = self._next(node)
            if index is None:
                node.shutdown()
            else:
                self.pending.remove(index)
                self.node2pending[node].append(index)
                node.send_runtest_some([index])

    def _next(self, node: WorkerController) -> int | None:
        engine = node.gateway.spec.env[ENGINE_VARIABLE]
        own_files = {self._files[index] for index in self.node2pending[node]}
        others_files = {self._files[index] for index in chain.from_iterable(self.node2pending.values())}
        first: dict[tuple[bool, int], int] = {}
        for index in self.pending:
            if self._engines[index] not in (engine, None):
                continue
            file = self._files[index]
            rank = (
                self._engines[index] is None,
                0 if file in own_files else 2 if file in others_files else 1,
            )
            if rank == (False, 0):
                return index
            first.setdefault(rank, index)
        return first[min(first)] if first else None
