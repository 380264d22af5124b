"""Latency of every endpoint from ten thousand to ten million jobs, without the cache."""

import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.api_client import ApiClient
from benchmarks.options import Options
from benchmarks.suite_report import Goal, SuiteReport, format_number
from benchmarks.testbed import ENGINES, Deployment, Testbed
from benchmarks.web_server import MeasuredServer

SIZES, BIG = (10_000, 100_000, 1_000_000), 10_000_000
#: Requests to each endpoint at each size in a round.
REQUESTS = 30
MAX_RATIO = 1.5
COUNTS = "GET /api/v1/jobs/counts/"
MAX_COUNTS_MS = 5

#: Lists to read; DAY_AGO and MIDDLE stand for timestamps.
QUERIES = (
    "jobs/",
    "jobs/?ordering=created_at",
    "jobs/?ordering=-priority",
    "jobs/?status=pending",
    "jobs/?status=completed&ordering=-priority",
    # A small limit, because the smallest table has few such rows.
    "jobs/?priority=10&limit=20",
    "jobs/?status=failed&priority=10&limit=20",
    "jobs/?created_before=MIDDLE",
    "jobs/?created_after=MIDDLE&ordering=created_at",
    "jobs/?started_after=DAY_AGO&limit=20",
    "jobs/?completed_after=DAY_AGO&limit=20",
    "jobs/counts/",
    "events/",
    "events/?ordering=created_at",
    "events/?type=job_failed",
    "events/?created_before=MIDDLE",
    "events/recent/",
    "tasks/",
    "tasks/?ordering=title",
    "tasks/?title_prefix=Re&limit=10",
    "users/",
    "users/?role=moderator&limit=5",
    "users/me/",
)

SendRequest = Callable[[], float]
Latencies = dict[tuple[str, str, int], list[float]]


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure every endpoint at every size, one request after the other, in every round."""
    latencies: Latencies = {}
    sizes = (*SIZES, BIG) if options.big else SIZES
    for engine in ENGINES:
        # Before any server starts: larger deployments are copies of a smaller one, which must not be in use.
        deployments = {size: testbed.seeded(engine, size) for size in sizes}
        with ExitStack() as stack:
            endpoints = {
                size: dict(_endpoints(stack, testbed, deployment)) for size, deployment in deployments.items()
            }
            for round_number in range(-1, options.rounds):
                for name in endpoints[sizes[0]]:
                    # Sizes take turns, so that other load on the machine affects all of them.
                    for size in sizes * REQUESTS:
                        milliseconds = endpoints[size][name]()
                        if round_number >= 0:  # round -1 warms up
                            latencies.setdefault((engine, name, size), []).append(milliseconds)
    return _report(latencies, sizes)


def _endpoints(
    stack: ExitStack, testbed: Testbed, deployment: Deployment
) -> Iterator[tuple[str, SendRequest]]:
    """Yield each endpoint's name, and the function that sends one request and returns its milliseconds."""
    without_cache = replace(deployment, environment={**deployment.environment, "REDIS_URL": "none"})
    server = stack.enter_context(MeasuredServer(without_cache, testbed.folder / deployment.name))
    client = stack.enter_context(ApiClient(server.port, deployment.token))
    for name, path in _reads(client):
        yield name, lambda path=path: client.request("GET", path).milliseconds
    yield "POST /api/v1/jobs/", lambda: client.request("POST", "/api/v1/jobs/", {"name": "x"}).milliseconds
    page: dict[str, Any] = client.request("GET", "/api/v1/jobs/?status=pending&limit=1000").json()
    pending = itertools.cycle(job["id"] for job in page["results"])
    yield (
        "PATCH job",
        lambda: client.request("PATCH", f"/api/v1/jobs/{next(pending)}/", {"priority": 1}).milliseconds,
    )


def _reads(client: ApiClient) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of every GET request."""
    now = datetime.now(UTC)
    days_ago = {"DAY_AGO": 1, "MIDDLE": 45, "LONG_AGO": 80}

    def path(query: str) -> str:
        for name, days in days_ago.items():
            query = query.replace(name, f"{now - timedelta(days):%Y-%m-%dT%H:%M:%SZ}")
        return f"/api/v1/{query}"

    for query in QUERIES:
        yield f"GET /api/v1/{query}", path(query)
    for table in ("jobs", "events"):
        page = client.request("GET", path(f"{table}/?created_before=LONG_AGO")).json()
        yield f"GET deep page of {table}", "/api" + page["next"].partition("/api")[2]
    jobs = client.request("GET", path("jobs/?created_before=MIDDLE&limit=1")).json()["results"]
    yield "GET job", f"/api/v1/jobs/{jobs[0]['id']}/"
    yield "GET events of a job", f"/api/v1/jobs/{jobs[0]['id']}/events/"


def _report(latencies: Latencies, sizes: tuple[int, ...]) -> SuiteReport:
    percentiles = {
        key: statistics.quantiles(measured, n=100, method="inclusive") for key, measured in latencies.items()
    }
    p50 = {key: cuts[49] for key, cuts in percentiles.items()}
    p99 = {key: cuts[98] for key, cuts in percentiles.items()}
    endpoints = list(dict.fromkeys((engine, name) for engine, name, _ in latencies))
    ratios = {key: p50[*key, sizes[-1]] / p50[*key, sizes[0]] for key in endpoints}
    rows = [
        (
            ", ".join(key),
            *(f"{format_number(p50[*key, size])} / {format_number(p99[*key, size])}" for size in sizes),
            format_number(ratio),
        )
        for key, ratio in ratios.items()
    ]
    return SuiteReport(
        title="Latency as the tables grow, no cache, one client (ms, p50 / p99)",
        columns=("endpoint", *(f"{size:,} jobs" for size in sizes), "x"),
        rows=rows,
        goals=[
            *_ratio_goals(ratios, sizes),
            *(
                Goal(f"counts on {engine}, ms", p50[engine, COUNTS, sizes[-1]], MAX_COUNTS_MS, at_most=True)
                for engine in ENGINES
            ),
        ],
        measurements={" ".join(map(str, key)): measured for key, measured in latencies.items()},
    )


def _ratio_goals(ratios: dict[tuple[str, str], float], sizes: tuple[int, ...]) -> Iterator[Goal]:
    """Yield a goal for each endpoint that misses it, and for the one that grows most on each engine."""
    for (engine, name), ratio in ratios.items():
        if ratio > MAX_RATIO:
            text = f"{name} on {engine}, {sizes[-1]:,} x {sizes[0]:,} jobs"
            yield Goal(text, ratio, MAX_RATIO, at_most=True)
    for engine in ENGINES:
        highest = max(ratio for (of_engine, _), ratio in ratios.items() if of_engine == engine)
        yield Goal(f"largest ratio of an endpoint on {engine}", highest, MAX_RATIO, at_most=True)
