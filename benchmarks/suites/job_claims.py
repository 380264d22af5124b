"""Workers that claim and complete jobs over HTTP, beside Procrastinate's fetch and finish in the database."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.options import Options
from benchmarks.suite_report import Goal, Sample, SuiteReport, format_number
from benchmarks.testbed import ENGINES, ROOT, Testbed
from benchmarks.web_server import MeasuredServer
from tests.servers.web import HOST

WORKERS = (1, 8)
#: Processes of the web server: one per core, as in production.
WEB_WORKERS = os.cpu_count() or 1
#: Pending jobs before each measurement, in addition to those that it needs at this rate.
PENDING, MAX_JOBS_A_SECOND = 10_000, 6_000
CLIENT = Path("benchmarks") / "claim_client.py"
RIVAL = Path("benchmarks") / "rivals" / "procrastinate_queue.py"
MIN_PAIRS, MIN_BATCHED_CLAIMS = 1 / 3, 2


@dataclass(frozen=True)
class Variant:
    """What the workers do.

    Args:
        name: in the table.
        limit: jobs of a claim; 0 for Procrastinate, which fetches one.
        complete: whether they report each job as completed.
    """

    name: str
    limit: int
    complete: bool


PAIRS = Variant("claim 1, complete it", 1, complete=True)
BATCHED_PAIRS = Variant("claim 20, complete each", 20, complete=True)
BATCHED_CLAIMS = Variant("claim 20", 20, complete=False)
RIVAL_PAIRS = Variant("Procrastinate: fetch, finish", 0, complete=True)
RIVAL_CLAIMS = Variant("Procrastinate: fetch", 0, complete=False)
OURS, RIVALS = (PAIRS, BATCHED_PAIRS, BATCHED_CLAIMS), (RIVAL_PAIRS, RIVAL_CLAIMS)

Key = tuple[str, int, Variant]
Rates = dict[Key, list[float]]


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure every variant on both engines, with one and with eight workers, in every round."""
    rates: Rates = {}
    for engine in ENGINES:
        with ExitStack() as stack:
            queue = _Queue(stack, testbed, engine, options)
            variants = (*OURS, *RIVALS) if engine == "postgres" else OURS
            for round_number in range(-1, options.rounds):
                for workers in WORKERS:
                    for variant in variants:
                        rate = queue.measure(variant, workers, warm_up=round_number < 0)
                        if round_number >= 0:
                            rates.setdefault((engine, workers, variant), []).append(rate)
    return _report(rates)


class _Queue:
    """The service on one engine, and on PostgreSQL also Procrastinate on the same server."""

    def __init__(self, stack: ExitStack, testbed: Testbed, engine: str, options: Options) -> None:
        self._seconds = options.seconds
        seeded = testbed.seeded(engine, options.jobs)
        self._deployment = testbed.copy(seeded, f"{engine}_claims")
        testbed.start_cache_relay(self._deployment)
        folder = testbed.folder / self._deployment.name
        server = MeasuredServer(self._deployment, folder, workers=WEB_WORKERS)
        self._server = stack.enter_context(server)
        if engine == "postgres":
            self._rival_url = testbed.new_database("procrastinate", engine)

    def measure(self, variant: Variant, workers: int, *, warm_up: bool) -> float:
        """Return the jobs per second."""
        seconds = 1 if warm_up else self._seconds
        pending = PENDING + int(seconds * MAX_JOBS_A_SECOND)
        spec = {"seconds": seconds, "workers": workers, "complete": variant.complete}
        if variant in RIVALS:
            return _rate(RIVAL, {**spec, "url": self._rival_url, "pending": pending})
        self._deployment.run_step("top_up_pending", str(pending))
        server = {"host": HOST, "port": self._server.port, "token": self._deployment.token}
        return _rate(CLIENT, {**spec, **server, "limit": variant.limit})


def _rate(program: Path, spec: dict[str, Any]) -> float:
    """Run a client in a process of its own; return its jobs per second."""
    done = subprocess.run(  # noqa: S603 - our own programs
        [sys.executable, ROOT / program],
        input=json.dumps(spec),
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{program} failed:\n{done.stderr}")
    result = json.loads(done.stdout)
    return float(result["jobs"] / result["seconds"])


def _report(rates: Rates) -> SuiteReport:
    samples = {key: Sample(measured) for key, measured in rates.items()}
    ratios = {
        (engine, workers, variant): sample.ratio_to(samples[engine, workers, RIVAL_PAIRS])
        for (engine, workers, variant), sample in samples.items()
        if engine == "postgres"
    }
    rows = [
        (
            f"{engine}, {workers} workers, {variant.name}",
            format_number(sample.median),
            sample.spread(),
            format_number(ratios[key].median) if key in ratios else "",
        )
        for key, sample in samples.items()
        for engine, workers, variant in [key]
    ]
    return SuiteReport(
        title=f"Jobs that workers claim, {WEB_WORKERS} web workers, one per core (medians of the rounds)",
        columns=("variant", "jobs/s", "min to max", "x Procrastinate's fetch and finish"),
        rows=rows,
        goals=[
            Goal.for_median(
                f"{variant.name}, {workers} workers, x Procrastinate's fetch and finish",
                ratios["postgres", workers, variant],
                bound,
            )
            for workers in WORKERS
            for variant, bound in ((PAIRS, MIN_PAIRS), (BATCHED_CLAIMS, MIN_BATCHED_CLAIMS))
        ],
        measurements={
            f"{engine}, {workers} workers, {variant.name}": measured
            for (engine, workers, variant), measured in rates.items()
        },
    )
