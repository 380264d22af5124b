"""A soak: writers and readers over HTTP on the same rows, and an oracle that knows what was acknowledged.

Longer than the tests have it: `python -m tests.cache.soak SECONDS [sqlite|postgres]`.
"""

import http.client
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LIST = "/api/v1/jobs/"
#: Requests that a client sends over one connection: the next one may be another worker's.
REQUESTS_A_CONNECTION = 50
TIMEOUT = 30
#: Of the writes a second, so many take the job that is moved to another status.
MOVES_A_SECOND = 20


class Client:
    """Somebody who asks one request after the other."""

    def __init__(self, url: str, token: str) -> None:
        """Make the client; `token` is an access token."""
        self._host = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None
        self._asked = 0

    def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Return status, headers and body of the answer."""
        if self._connection is None or self._asked % REQUESTS_A_CONNECTION == 0:
            self.close()
            self._connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        self._asked += 1
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, {**self._headers, **headers})
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


@dataclass
class Versions:
    """What the oracle knows of one row: the last version sent, and the last that nobody may fall behind."""

    sent: int = 0
    acknowledged: int = 0

    def is_known(self, version: int) -> None:
        """Note that a version was acknowledged, or seen in the database."""
        self.acknowledged = max(self.acknowledged, version)


@dataclass
class Result:
    """What a soak saw."""

    reads: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    moves: int = 0
    stale: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def hit_rate(self) -> float:
        """Return the share of hits among the reads of lists."""
        return self.reads["HIT"] / max(1, sum(self.reads[each] for each in ("HIT", "MISS", "BYPASS")))

    @property
    def hits_lost(self) -> float:
        """Return how many reads of lists were no hits, for each list that a write made stale."""
        lost = self.reads["MISS"] + self.reads["BYPASS"]
        return lost / max(1, self.writes + 2 * self.moves)

    def __str__(self) -> str:
        return (
            f"{self.writes} writes, {self.moves} moves, {dict(self.reads)}, "
            f"{self.hit_rate:.1%} of list reads were hits, "
            f"{self.hits_lost:.2f} lost by a stale list, "
            f"{len(self.stale)} stale, {len(self.errors)} errors"
        )


class Soak:
    """Writers and readers of the jobs of several statuses.

    Args:
        url: of the service.
        token: of a user.
        jobs: ids of jobs by their status; the first of `pending` is moved to and fro.
        writes_a_second: by all writers together, ``MOVES_A_SECOND`` of them moves.
        database: tells the versions that are committed, by the jobs' ids: nobody may read older ones from
            then on, though the writer may not know yet; None to go by what was acknowledged alone.
    """

    def __init__(
        self,
        url: str,
        token: str,
        jobs: dict[str, list[str]],
        writes_a_second: float,
        database: Callable[[], dict[str, int]] | None = None,
    ) -> None:
        self._database = database
        self._url, self._token = url, token
        self._moved, self._jobs = jobs["pending"][0], jobs
        steady = [(status, each) for status, ids in jobs.items() for each in ids if each != self._moved]
        self._status_of = {each: status for status, each in steady}
        self._versions = {each: Versions() for _, each in steady}
        self._moves = Versions()
        self._pause = 1 / (writes_a_second - MOVES_A_SECOND)
        self.stop = threading.Event()
        self.result = Result()
        self._seen: list[Counter[str]] = []

    def run(self, seconds: float, *, writers: int = 3, readers: int = 3) -> Result:
        """Write and read for so many seconds."""
        steady = list(self._versions)
        random.shuffle(steady)
        jobs: list[Callable[[], None]] = [lambda: self._guarded(self._move)]
        if self._database:
            jobs.append(self._observe)
        jobs += [
            lambda number=number: self._guarded(lambda c: self._write(c, steady[number::writers], writers))
            for number in range(writers)
        ]
        jobs += [lambda: self._guarded(self._read)] * readers
        threads = [threading.Thread(target=job) for job in jobs]
        for thread in threads:
            thread.start()
        self.stop.wait(seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        for seen in self._seen:
            self.result.reads.update(seen)
        return self.result

    def _guarded(self, work: Callable[[Client], None]) -> None:
        client = Client(self._url, self._token)
        try:
            work(client)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.result.errors.append(repr(error))
            self.stop.set()
        finally:
            client.close()

    def _ticks(self, every: float) -> Iterator[int]:
        """Return a number every so many seconds, until the soak ends; what is late is not made up for."""
        due = time.monotonic()
        for number in itertools.count(1):
            due = max(due + every, time.monotonic())
            if self.stop.wait(max(0, due - time.monotonic())):
                return
            yield number

    def _observe(self) -> None:
        assert self._database
        while not self.stop.wait(0.005):
            for job, version in self._database().items():
                if job in self._versions:
                    self._versions[job].is_known(version)

    def _write(self, client: Client, mine: list[str], writers: int) -> None:
        for number in self._ticks(self._pause * writers):
            job = mine[number % len(mine)]
            version = self._versions[job]
            version.sent += 1
            status, _, body = client.send("PATCH", f"{LIST}{job}/", {"priority": version.sent})
            if status != 200:
                self.result.errors.append(f"PATCH: {status} {body[:200]!r}")
                return
            version.is_known(version.sent)
            self.result.writes += 1

    def _move(self, client: Client) -> None:
        """Take one job from pending to cancelled and back: odd versions are cancelled."""
        for number in self._ticks(1 / MOVES_A_SECOND):
            self._moves.sent = number
            wanted = "cancelled" if number % 2 else "pending"
            status, _, body = client.send("PUT", f"{LIST}{self._moved}/status/", {"status": wanted})
            if status != 200:
                self.result.errors.append(f"PUT: {status} {body[:200]!r}")
                return
            self._moves.acknowledged = number
            self.result.moves = number

    def _read(self, client: Client) -> None:
        seen: Counter[str] = Counter()
        self._seen.append(seen)
        dice = random.Random()  # noqa: S311
        known: dict[str, tuple[str, Any]] = {}
        statuses, jobs = list(self._jobs), list(self._versions)
        while not self.stop.is_set():
            if dice.random() < 0.9:
                path = f"{LIST}?status={dice.choice(statuses)}"
            else:
                path = f"{LIST}{dice.choice(jobs)}/"
            self._look(client, path, known, seen, conditional=dice.random() < 0.5)

    def _look(
        self,
        client: Client,
        path: str,
        known: dict[str, tuple[str, Any]],
        seen: Counter[str],
        *,
        conditional: bool,
    ) -> None:
        floor = {job: version.acknowledged for job, version in self._versions.items()}
        moves = (self._moves.acknowledged, self._moves.sent)
        etag, before = known.get(path, ("", None))
        headers = {"If-None-Match": etag} if conditional and etag else {}
        status, got, body = client.send("GET", path, **headers)
        if status not in (200, 304):
            self.result.errors.append(f"GET {path}: {status} {body[:200]!r}")
            return
        answer = before if status == 304 else json.loads(body)
        known[path] = (got["ETag"], answer)
        shown = {row["id"]: row["priority"] for row in answer.get("results", [answer])}
        told = f"{path} {got['X-Cache']} {status}"
        for job, priority in shown.items():
            if job in floor and not floor[job] <= priority <= self._versions[job].sent:
                self.result.stale.append(f"{told}: {priority}, after {floor[job]}")
        if "results" in answer:
            seen[got["X-Cache"]] += 1
            self._compare_list(told, path.partition("status=")[2], shown, moves)

    def _compare_list(self, told: str, status: str, shown: dict[str, int], moves: tuple[int, int]) -> None:
        """Note what a list has that it should not, and the other way round.

        Args:
            told: which answer it is.
            status: of its jobs.
            shown: what it has.
            moves: of the job that is moved, acknowledged and sent, when the list was asked for.
        """
        missing = {job for job, state in self._status_of.items() if state == status} - shown.keys()
        if missing:
            self.result.stale.append(f"{told}: {missing} are missing")
        if moves == (self._moves.acknowledged, self._moves.sent) and moves[0] == moves[1]:
            here = status == ("cancelled" if moves[0] % 2 else "pending")
            if here != (self._moved in shown):
                self.result.stale.append(f"{told}: move {moves[0]} is not seen")


def main(seconds: str = "600", engine: str = "sqlite") -> int:
    """Run the test of the soak for so many seconds."""
    command = [sys.executable, "-m", "pytest", "tests/cache/test_soak.py", "-s", "--engine", engine]
    return subprocess.run(command, env={**os.environ, "SOAK_SECONDS": seconds}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
