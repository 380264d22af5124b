"""The event stream: from a commit to many clients of one process, and the memory of a client."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.options import Options
from benchmarks.suite_report import Goal, Sample, SuiteReport, format_number
from benchmarks.testbed import ENGINES, ROOT, Deployment, Testbed
from tests.servers.child_process import ChildProcess
from tests.servers.stream import PATH, StreamServer
from tests.servers.web import HOST

CLIENTS = 1000
EVENTS_A_SECOND = 50
MAX_P99_MS = 250
MAX_MB = 150
MEGABYTE = 1_000_000
KILOBYTE = 1000


@dataclass(frozen=True)
class Result:
    """One round.

    Args:
        p50_ms: from before the COMMIT until a client has read the event, median, in milliseconds.
        p99_ms: the 99th percentile.
        received: the share of events that arrived at each client.
        cpu: the share of a core that the process used.
    """

    p50_ms: float
    p99_ms: float
    received: float
    cpu: float


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure on both engines."""
    rows, goals, measurements = [], [], {}
    for engine in ENGINES:
        idle, full, results = _measure(testbed, engine, options)
        p99 = Sample([result.p99_ms for result in results])
        rows.append(
            (
                engine,
                format_number(Sample([result.p50_ms for result in results]).median),
                format_number(p99.median),
                p99.spread(),
                f"{Sample([result.cpu for result in results]).median:.0%}",
                format_number(idle / MEGABYTE),
                format_number(full / MEGABYTE),
                format_number((full - idle) / CLIENTS / KILOBYTE),
            )
        )
        goals += [
            Goal(f"p99 on {engine}, ms", p99.median, MAX_P99_MS, at_most=True, spread=p99.spread()),
            Goal(f"process on {engine}, MB", full / MEGABYTE, MAX_MB, at_most=True),
            Goal(f"events received on {engine}", min(result.received for result in results), 1.0),
        ]
        measurements[engine] = {"idle": idle, "full": full, "rounds": [vars(result) for result in results]}
    return SuiteReport(
        title=f"{CLIENTS:,} clients of one stream process, {EVENTS_A_SECOND} events a second (medians)",
        columns=(
            "engine",
            "p50 ms",
            "p99 ms",
            "min to max",
            "CPU",
            "idle MB",
            "with clients MB",
            "kB a client",
        ),
        rows=rows,
        goals=goals,
        measurements=measurements,
    )


def _measure(testbed: Testbed, engine: str, options: Options) -> tuple[int, int, list[Result]]:
    deployment = testbed.copy(testbed.seeded(engine, options.jobs), f"stream_{engine}")
    testbed.start_cache_relay(deployment)
    server = StreamServer(testbed.folder / deployment.name / "stream.log", deployment.environment)
    try:
        with _followers(server, deployment, 1) as (events, _):
            _record(deployment, 1)
            events.close()
        idle = _memory(server.process)
        results = [_round(server, deployment, options.seconds) for _ in range(options.rounds)]
        return idle, _memory(server.process), results
    finally:
        server.close()


def _round(server: StreamServer, deployment: Deployment, seconds: float) -> Result:
    with _followers(server, deployment, CLIENTS) as (stdin, stdout):
        before = _cpu_seconds(server.process)
        sent = _record(deployment, seconds)
        used = _cpu_seconds(server.process) - before
        stdin.close()
        received = json.loads(stdout.read())
    share = received["events"] / (sent * CLIENTS)
    return Result(received["p50_ms"], received["p99_ms"], share, used / seconds)


@contextmanager
def _followers(
    server: StreamServer, deployment: Deployment, connections: int
) -> Iterator[tuple[IO[str], IO[str]]]:
    """Yield the input and the output of a process that follows the stream; closing its input ends it."""
    headers = f"Host: {HOST}\r\nAuthorization: Bearer {deployment.token}\r\n\r\n"
    description = {
        "host": HOST,
        "port": server.port,
        "request": f"GET {PATH} HTTP/1.1\r\n{headers}",
        "connections": connections,
    }
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, ROOT / "benchmarks" / "stream_client.py"],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{json.dumps(description)}\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the stream did not accept the clients")
        yield process.stdin, process.stdout


def _record(deployment: Deployment, seconds: float) -> int:
    """Record events for so many seconds; return how many."""
    return int(deployment.run_step("record_events", str(seconds), str(EVENTS_A_SECOND)))


def _memory(process: ChildProcess) -> int:
    """Return the resident memory of a process in bytes, without the files that it maps."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def _cpu_seconds(process: ChildProcess) -> float:
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
