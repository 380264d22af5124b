"""What a worker holds in memory, at rest and after requests of every kind."""

from benchmarks.api_client import Client
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Report, number
from benchmarks.testbed import ENGINES, Lab
from benchmarks.web_server import Web

REQUESTS = 10_000
MEGABYTE = 1_000_000
BATCHES = 2
#: Megabytes that the last ten thousand requests may add: what an allocator keeps, not what piles up.
GROWTH = 3
READS = (
    "/api/v1/jobs/",
    "/api/v1/jobs/?n={n}",
    "/api/v1/jobs/?status=completed&limit={few}",
    "/api/v1/jobs/counts/",
    "/api/v1/events/",
    "/api/v1/events/?type=job_failed",
    "/api/v1/users/me/",
)


def run(lab: Lab, options: Options) -> Report:
    """Measure on both engines."""
    found = {engine: _measure(lab, engine, options) for engine in ENGINES}
    known = {engine: [size / MEGABYTE for size in sizes if size] for engine, sizes in found.items()}
    rows = [
        (engine, *(number(size) for size in sizes)) if sizes else (engine, *["unknown"] * (BATCHES + 1))
        for engine, sizes in known.items()
    ]
    goals = []
    for engine, sizes in known.items():
        if sizes:
            goals.append(Goal(f"MB of a worker on {engine}", sizes[1], 120, at_most=True))
            goals.append(
                Goal(
                    f"MB that the last requests added on {engine}",
                    sizes[-1] - sizes[-2],
                    GROWTH,
                    at_most=True,
                )
            )
    return Report(
        title=f"Memory of one worker, in MB, {REQUESTS:,} requests at a time, one in ten a POST",
        columns=("engine", "at rest", *(f"after {batch * REQUESTS:,}" for batch in range(1, BATCHES + 1))),
        rows=rows,
        goals=goals,
        measured=found,
    )


def _measure(lab: Lab, engine: str, options: Options) -> list[int | None]:
    site = lab.copy(lab.rows(engine, options.jobs), f"memory_{engine}")
    lab.keep(site)
    with Web(site, lab.folder / site.name) as web, Client(web.port, site.token) as client:
        client.ask("GET", "/api/v1/jobs/")
        sizes = [web.worker_bytes()]
        for batch in range(BATCHES):
            for n in range(batch * REQUESTS, (batch + 1) * REQUESTS):
                if n % 10 == 0:
                    client.ask("POST", "/api/v1/jobs/", {"name": f"job {n}"})
                else:
                    client.ask("GET", READS[n % len(READS)].format(n=n, few=n % 100 + 1))
            sizes.append(web.worker_bytes())
    return sizes
