"""What every endpoint costs from ten thousand jobs to ten million, without the cache."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.api_client import Client
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Report, number
from benchmarks.testbed import ENGINES, Lab, Site
from benchmarks.web_server import Web

SIZES, BIG = (10_000, 100_000, 1_000_000), 10_000_000
#: Requests of each kind to each size in a round.
REQUESTS = 30
LARGEST_RATIO = 1.5
COUNTS = "GET /api/v1/jobs/counts/"
COUNTS_MS = 5

#: Lists that are read; the names of moments stand for times of the rows that there are.
QUERIES = (
    "jobs/",
    "jobs/?ordering=created_at",
    "jobs/?ordering=-priority",
    "jobs/?status=pending",
    "jobs/?status=completed&ordering=-priority",
    # Few enough rows that the smallest table has them, too.
    "jobs/?priority=10&limit=20",
    "jobs/?status=failed&priority=10&limit=20",
    "jobs/?created_before=MIDDLE",
    "jobs/?created_after=MIDDLE&ordering=created_at",
    "jobs/?started_after=YESTERDAY&limit=20",
    "jobs/?completed_after=YESTERDAY&limit=20",
    *(
        f"jobs/?{filter_}={moment}&ordering={order}&limit=20"
        for filter_ in ("started_after", "completed_after")
        for moment in ("LATELY", "YESTERDAY")
        for order in ("created_at", "-priority")
    ),
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

Ask = Callable[[], float]
Times = dict[tuple[str, str, int], list[float]]


def run(lab: Lab, options: Options) -> Report:
    """Measure every endpoint at every size, one request after the other, in every round."""
    times: Times = {}
    sizes = (*SIZES, BIG) if options.big else SIZES
    for engine in ENGINES:
        # All before one is asked: the larger are made of a smaller one that nobody may be using.
        sites = {size: lab.rows(engine, size) for size in sizes}
        with ExitStack() as stack:
            asked = {size: dict(_asked(stack, lab, site)) for size, site in sites.items()}
            for measured in range(-1, options.rounds):
                for name in asked[sizes[0]]:
                    # One after the other: what else the machine does meets every size alike.
                    for size in sizes * REQUESTS:
                        taken = asked[size][name]()
                        if measured >= 0:
                            times.setdefault((engine, name, size), []).append(taken)
    return _report(times, sizes)


def _asked(stack: ExitStack, lab: Lab, site: Site) -> Iterator[tuple[str, Ask]]:
    """Yield each endpoint's name, and what asks it once and returns the milliseconds."""
    uncached = Site(site.name, site.engine, {**site.environment, "REDIS_URL": "none"}, site.token)
    web = stack.enter_context(Web(uncached, lab.folder / site.name))
    client = stack.enter_context(Client(web.port, site.token))
    for name, path in _reads(client):
        yield name, lambda path=path: client.ask("GET", path).milliseconds
    yield "POST /api/v1/jobs/", lambda: client.ask("POST", "/api/v1/jobs/", {"name": "x"}).milliseconds
    claim = "/api/v1/jobs/claim/"
    if "POST" in client.ask("OPTIONS", claim).headers["Allow"]:
        yield f"POST {claim}", lambda: client.ask("POST", claim, {"worker": "bench"}).milliseconds
    page: dict[str, Any] = client.ask("GET", "/api/v1/jobs/?status=pending&limit=1000").json()
    pending = iter([job["id"] for job in page["results"]] * 100)
    yield (
        "PATCH job",
        lambda: client.ask("PATCH", f"/api/v1/jobs/{next(pending)}/", {"priority": 1}).milliseconds,
    )


def _reads(client: Client) -> Iterator[tuple[str, str]]:
    """Yield the name and the address of everything that is read."""
    newest = client.ask("GET", "/api/v1/jobs/?limit=1").json()["results"][0]["created_at"]
    now = datetime.now(UTC)
    moments = {
        "LATELY": datetime.fromisoformat(newest) - timedelta(minutes=5),
        "YESTERDAY": now - timedelta(days=1),
        "MIDDLE": now - timedelta(days=45),
        "LONG_AGO": now - timedelta(days=80),
    }

    def address(query: str) -> str:
        for name, moment in moments.items():
            query = query.replace(name, moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return f"/api/v1/{query}"

    for query in QUERIES:
        yield f"GET /api/v1/{query}", address(query)
    for table in ("jobs", "events"):
        page = client.ask("GET", address(f"{table}/?created_before=LONG_AGO")).json()
        yield f"GET deep page of {table}", "/api" + page["next"].partition("/api")[2]
    row = client.ask("GET", address("jobs/?created_before=MIDDLE&limit=1")).json()["results"][0]["id"]
    yield "GET job", f"/api/v1/jobs/{row}/"
    yield "GET job's events", f"/api/v1/jobs/{row}/events/"


def _report(times: Times, sizes: tuple[int, ...]) -> Report:
    smallest, largest = sizes[0], sizes[-1]
    endpoints = list(dict.fromkeys((engine, name) for engine, name, _ in times))
    cuts = {key: statistics.quantiles(taken, n=100, method="inclusive") for key, taken in times.items()}
    rows, goals = [], []
    for engine, name in endpoints:
        halves = [cuts[engine, name, size][49] for size in sizes]
        shown = [
            f"{number(half)} / {number(cuts[engine, name, size][98])}"
            for half, size in zip(halves, sizes, strict=True)
        ]
        ratio = halves[-1] / halves[0]
        rows.append((f"{engine}, {name}", *shown, number(ratio)))
        if ratio > LARGEST_RATIO:
            goals.append(
                Goal(
                    f"{name} on {engine}, {largest:,} against {smallest:,}",
                    ratio,
                    LARGEST_RATIO,
                    at_most=True,
                )
            )
    for engine in ENGINES:
        worst = max(
            cuts[engine, name, largest][49] / cuts[engine, name, smallest][49]
            for e, name in endpoints
            if e == engine
        )
        goals.append(Goal(f"the endpoint that grows most on {engine}", worst, LARGEST_RATIO, at_most=True))
        goals.append(
            Goal(
                f"ms of exact counts on {engine}", cuts[engine, COUNTS, largest][49], COUNTS_MS, at_most=True
            )
        )
    return Report(
        title="Every endpoint as the tables grow, no cache, one client (ms: p50 / p99)",
        columns=("endpoint", *(f"{size:,} jobs" for size in sizes), "x"),
        rows=rows,
        goals=goals,
        measured={" ".join(map(str, key)): taken for key, taken in times.items()},
    )
