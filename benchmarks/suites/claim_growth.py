"""Latency of a claim with ten jobs in the queue, and with a million, without the cache."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.api_client import ApiClient
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Sample, SuiteReport, format_number
from benchmarks.testbed import ENGINES, Testbed
from benchmarks.web_server import MeasuredServer

FEW, MANY = 10, 1_000_000
#: Claims of each variant in a round.
CLAIMS = 40
MAX_RATIO = 1.2
#: A table with some history, so that the jobs that wait are not alone in it.
ENDED_JOBS = 10_000
ONE_OF_QUEUES = ["queue-7"]


@dataclass(frozen=True)
class Variant:
    """Jobs that wait, and what is claimed of them.

    Args:
        name: in the table.
        due: number of jobs that can be claimed.
        later: number of jobs that cannot be claimed before tomorrow.
        priorities: number of priorities that they have.
        queues: number of queues that they are in.
        claimed: the queues that are claimed from; None for all.
        base: the name of the variant with few jobs.
    """

    name: str
    due: int
    later: int = 0
    priorities: int = 1
    queues: int = 1
    claimed: list[str] | None = None
    base: str = "10 pending"

    @property
    def rows(self) -> tuple[int, int, int, int]:
        """Return what tells the databases of two variants apart."""
        return self.due, self.later, self.priorities, self.queues


VARIANTS = (
    Variant("10 pending", FEW),
    Variant("10 pending, one queue claimed", FEW, claimed=["queue-0"]),
    Variant("1,000,000 pending, one priority", MANY),
    Variant("1,000,000 pending, 100 priorities", MANY, priorities=100, queues=50),
    Variant(
        "1,000,000 pending, one queue of fifty claimed",
        MANY,
        priorities=100,
        queues=50,
        claimed=ONE_OF_QUEUES,
        base="10 pending, one queue claimed",
    ),
    Variant("10 pending, 1,000,000 not due", FEW, later=MANY),
)

Claim = Callable[[], float]
Latencies = dict[tuple[str, str], list[list[float]]]


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure every variant on both engines, one claim after the other, in every round."""
    latencies: Latencies = {}
    for engine in ENGINES:
        with ExitStack() as stack:
            claims = _claims(stack, testbed, engine)
            for round_number in range(-1, options.rounds):
                measured: dict[str, list[float]] = {name: [] for name in claims}
                # Variants take turns, so that other load on the machine affects all of them.
                for _ in range(CLAIMS):
                    for name, claim in claims.items():
                        measured[name].append(claim())
                if round_number >= 0:  # round -1 warms up
                    for name, milliseconds in measured.items():
                        latencies.setdefault((engine, name), []).append(milliseconds)
    return _report(latencies)


def _claims(stack: ExitStack, testbed: Testbed, engine: str) -> dict[str, Claim]:
    """Return for each variant a function that claims one job and returns how many milliseconds it took."""
    seeded = testbed.seeded(engine, ENDED_JOBS)
    deployments = {}
    for number, rows in enumerate(dict.fromkeys(variant.rows for variant in VARIANTS)):
        deployments[rows] = testbed.copy(seeded, f"{engine}_queue_{number}")
        deployments[rows].run_step("replace_pending", *map(str, rows))
    servers = {}
    for rows, deployment in deployments.items():
        without_cache = replace(deployment, environment={**deployment.environment, "REDIS_URL": "none"})
        folder = testbed.folder / deployment.name
        servers[rows] = stack.enter_context(MeasuredServer(without_cache, folder))
    claims = {}
    for variant in VARIANTS:
        token = deployments[variant.rows].token
        client = stack.enter_context(ApiClient(servers[variant.rows].port, token))
        claims[variant.name] = _claim_of(variant, client)
    return claims


def _claim_of(variant: Variant, client: ApiClient) -> Claim:
    body = {"worker": "bench", **({"queues": variant.claimed} if variant.claimed else {})}

    def claim() -> float:
        response = client.request("POST", "/api/v1/jobs/claim/", body)
        (job,) = response.json()["jobs"]
        report = {"status": "completed", "lease_token": job["lease_token"]}
        client.request("PUT", f"/api/v1/jobs/{job['id']}/status/", report)
        # As many wait for the next claim.
        client.request("POST", "/api/v1/jobs/", {"name": "next", "queue": job["queue"]})
        return response.milliseconds

    return claim


def _report(latencies: Latencies) -> SuiteReport:
    medians = {key: Sample([statistics.median(each) for each in rounds]) for key, rounds in latencies.items()}
    bases = {variant.name: variant.base for variant in VARIANTS}
    ratios = {
        (engine, name): sample.ratio_to(medians[engine, bases[name]])
        for (engine, name), sample in medians.items()
    }
    rows = [
        (
            f"{engine}, {name}",
            format_number(sample.median),
            sample.spread(),
            format_number(ratios[engine, name].median),
        )
        for (engine, name), sample in medians.items()
    ]
    return SuiteReport(
        title="Latency of a claim as the queue grows, no cache, one client (p50 in ms, median of the rounds)",
        columns=("queue", "p50 ms", "min to max", "x 10 pending"),
        rows=rows,
        goals=[
            Goal(
                f"claim on {engine}, {name}, x {bases[name]}",
                ratio.median,
                MAX_RATIO,
                at_most=True,
                spread=ratio.spread(),
            )
            for (engine, name), ratio in ratios.items()
            if name not in bases.values()
        ],
        measurements={" ".join(key): rounds for key, rounds in latencies.items()},
    )
