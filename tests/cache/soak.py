"""A soak test: writers and readers over HTTP on the same rows, checked against what was acknowledged.

A longer run than in the tests: ``python -m tests.cache.soak SECONDS [sqlite|postgres]``.
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
#: Requests that a client sends over one connection. The next connection may reach another worker.
REQUESTS_A_CONNECTION = 50
TIMEOUT = 30
#: Writes per second that move the one job between two statuses.
MOVES_A_SECOND = 20

#: Code that creates ten jobs of each status and prints their ids by status, for another process.
SOAK_JOBS = """
import json
from django.utils import timezone
from orchestrator.choices import JobStatus
from orchestrator.models import Job
at, ids = timezone.now(), {}
for status in JobStatus.values:
    jobs = [Job(name=f"{status} {n}", status=status, started_at=at, completed_at=at) for n in range(10)]
    ids[status] = [str(job.pk) for job in Job.objects.bulk_create(jobs)]
print(json.dumps(ids))
"""


class Client:
    """Sends one request after the other.

    Args:
        url: the service's URL.
        token: an access token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._host = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None
        self._sent = 0

    def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Return status, headers and body of the response."""
        if self._connection is None or self._sent % REQUESTS_A_CONNECTION == 0:
            self.close()
            self._connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        self._sent += 1
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, {**self._headers, **headers})
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


@dataclass
class Versions:
    """The versions of one row: the last that was sent, and the last that every read must show."""

    sent: int = 0
    acknowledged: int = 0

    def acknowledge(self, version: int) -> None:
        """Record that a version was acknowledged, or seen in the database."""
        self.acknowledged = max(self.acknowledged, version)


@dataclass
class Result:
    """What a soak has seen."""

    reads: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    moves: int = 0
    unavailable: int = 0
    stale: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def hit_rate(self) -> float:
        """Return the share of hits among the reads of lists."""
        return self.reads["HIT"] / max(1, sum(self.reads[each] for each in ("HIT", "MISS", "BYPASS")))

    @property
    def hits_lost(self) -> float:
        """Return the reads of lists that were no hits, per list that a write invalidated."""
        lost = self.reads["MISS"] + self.reads["BYPASS"]
        return lost / max(1, self.writes + 2 * self.moves)

    def __str__(self) -> str:
        return (
            f"{self.writes} writes, {self.moves} moves, {dict(self.reads)}, "
            f"{self.hit_rate:.1%} of list reads were hits, "
            f"{self.hits_lost:.2f} lost per invalidated list, "
            f"{self.unavailable} times 503, {len(self.stale)} stale, {len(self.errors)} errors"
        )


class Soak:
    """Writers and readers of jobs of several statuses.

    Args:
        url: the service's URL.
        token: an access token.
        jobs: ids of jobs by status; the first of ``pending`` is moved between two statuses.
        writes_a_second: of all writers together, including ``MOVES_A_SECOND``.
        database: returns the committed version of each job; later reads must show it, although it may not be
            acknowledged yet. None: only acknowledged versions count.
        unavailable: whether a request may be refused with 503, because the database fails.

    Attributes:
        versions: by the id of each job that stays in its status.
        backward: whether each read must also show what any earlier read has shown, acknowledged or not.
    """

    def __init__(
        self,
        url: str,
        token: str,
        jobs: dict[str, list[str]],
        writes_a_second: float,
        database: Callable[[], dict[str, int]] | None = None,
        *,
        unavailable: bool = False,
    ) -> None:
        self._unavailable = unavailable
        self.backward = False
        self._database = database
        self._url, self._token = url, token
        self._moved, self._jobs = jobs["pending"][0], jobs
        steady = [(status, each) for status, ids in jobs.items() for each in ids if each != self._moved]
        self._status_of = {each: status for status, each in steady}
        self.versions = {each: Versions() for _, each in steady}
        self._moves = Versions()
        self._pause = 1 / (writes_a_second - MOVES_A_SECOND)
        self.stop = threading.Event()
        self.result = Result()
        self._seen: list[Counter[str]] = []

    def run(self, seconds: float, *, writers: int = 3, readers: int = 3) -> Result:
        """Write and read for so many seconds."""
        steady = list(self.versions)
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

    def wait_for_write(self) -> None:
        """Wait until another write was acknowledged, or the soak ends."""
        before = self.result.writes
        while self.result.writes == before and not self.stop.wait(0.01):
            pass

    def _guarded(self, work: Callable[[Client], None]) -> None:
        client = Client(self._url, self._token)
        try:
            work(client)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.result.errors.append(repr(error))
            self.stop.set()
        finally:
            client.close()

    def _is_success(self, status: int, error: str) -> bool:
        """Return whether a request succeeded; end the soak if it failed and may not."""
        if status == 503 and self._unavailable:
            self.result.unavailable += 1
            return False
        if status not in (200, 304):
            self.result.errors.append(error)
            self.stop.set()
            return False
        return True

    def _ticks(self, every: float) -> Iterator[int]:
        """Yield a number every so many seconds until the soak ends; missed ones are not made up."""
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
                if job in self.versions:
                    self.versions[job].acknowledge(version)

    def _write(self, client: Client, mine: list[str], writers: int) -> None:
        for number in self._ticks(self._pause * writers):
            job = mine[number % len(mine)]
            version = self.versions[job]
            version.sent += 1
            status, _, body = client.send("PATCH", f"{LIST}{job}/", {"priority": version.sent})
            if not self._is_success(status, f"PATCH: {status} {body[:200]!r}"):
                continue
            version.acknowledge(version.sent)
            self.result.writes += 1

    def _move(self, client: Client) -> None:
        """Move one job from pending to cancelled and back: it is cancelled in odd versions."""
        for number in self._ticks(1 / MOVES_A_SECOND):
            self._moves.sent = number
            wanted = "cancelled" if number % 2 else "pending"
            status, _, body = client.send("PUT", f"{LIST}{self._moved}/status/", {"status": wanted})
            if not self._is_success(status, f"PUT: {status} {body[:200]!r}"):
                continue
            self._moves.acknowledged = number
            self.result.moves = number

    def _read(self, client: Client) -> None:
        seen: Counter[str] = Counter()
        self._seen.append(seen)
        dice = random.Random()  # noqa: S311
        known: dict[str, tuple[str, Any]] = {}
        statuses, jobs = list(self._jobs), list(self.versions)
        while not self.stop.is_set():
            if dice.random() < 0.9:
                path = f"{LIST}?status={dice.choice(statuses)}"
            else:
                path = f"{LIST}{dice.choice(jobs)}/"
            self._check_read(client, path, known, seen, conditional=dice.random() < 0.5)

    def _check_read(
        self,
        client: Client,
        path: str,
        known: dict[str, tuple[str, Any]],
        seen: Counter[str],
        *,
        conditional: bool,
    ) -> None:
        floor = {job: version.acknowledged for job, version in self.versions.items()}
        moves = (self._moves.acknowledged, self._moves.sent)
        etag, before = known.get(path, ("", None))
        headers = {"If-None-Match": etag} if conditional and etag else {}
        status, response_headers, body = client.send("GET", path, **headers)
        if not self._is_success(status, f"GET {path}: {status} {body[:200]!r}"):
            return
        content = before if status == 304 else json.loads(body)
        known[path] = (response_headers["ETag"], content)
        shown = {row["id"]: row["priority"] for row in content.get("results", [content])}
        label = f"{path} {response_headers['X-Cache']} {status}"
        for job, priority in shown.items():
            if job in floor and not floor[job] <= priority <= self.versions[job].sent:
                self.result.stale.append(f"{label}: {priority}, after {floor[job]}")
            if job in floor and self.backward:
                self.versions[job].acknowledge(priority)
        if "results" in content:
            seen[response_headers["X-Cache"]] += 1
            self._check_list(label, path.partition("status=")[2], shown, moves)

    def _check_list(self, label: str, status: str, shown: dict[str, int], moves: tuple[int, int]) -> None:
        """Check which jobs a list shows.

        Args:
            label: names the response.
            status: the status of the list's jobs.
            shown: the jobs in the list.
            moves: the moves that were acknowledged and sent when the list was requested.
        """
        missing = {job for job, state in self._status_of.items() if state == status} - shown.keys()
        if missing:
            self.result.stale.append(f"{label}: {missing} are missing")
        if moves == (self._moves.acknowledged, self._moves.sent) and moves[0] == moves[1]:
            expected = status == ("cancelled" if moves[0] % 2 else "pending")
            if expected != (self._moved in shown):
                self.result.stale.append(f"{label}: move {moves[0]} is not seen")


def main(seconds: str = "600", engine: str = "sqlite") -> int:
    """Run the soak tests for so many seconds."""
    command = [sys.executable, "-m", "pytest", "tests/cache/test_soak.py", "-s", "--engine", engine]
    return subprocess.run(command, env={**os.environ, "SOAK_SECONDS": seconds}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
