"""Memory of a web worker, idle and after requests of every kind."""

from benchmarks.api_client import ApiClient
from benchmarks.options import Options
from benchmarks.suite_report import Goal, SuiteReport, format_number
from benchmarks.testbed import ENGINES, Testbed
from benchmarks.web_server import MeasuredServer

REQUESTS = 10_000
MEGABYTE = 1_000_000
BATCHES = 2
#: Megabytes that the last batch may add; an allocator keeps as much without a leak.
MAX_GROWTH_MB = 3
MAX_MB = 120
READS = (
    "/api/v1/jobs/",
    "/api/v1/jobs/?limit={n}&limit=100",
    "/api/v1/jobs/?status=completed&limit={limit}",
    "/api/v1/jobs/counts/",
    "/api/v1/events/",
    "/api/v1/events/?type=job_failed",
    "/api/v1/users/me/",
)


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure on both engines."""
    measured = {engine: _measure(testbed, engine, options) for engine in ENGINES}
    known = {engine: [size / MEGABYTE for size in sizes if size] for engine, sizes in measured.items()}
    rows = [
        (engine, *(format_number(size) for size in sizes))
        if sizes
        else (engine, *["unknown"] * (BATCHES + 1))
        for engine, sizes in known.items()
    ]
    goals = []
    for engine, sizes in known.items():
        if sizes:
            added = sizes[-1] - sizes[-2]
            goals += [
                Goal(f"worker on {engine}, MB", sizes[1], MAX_MB, at_most=True),
                Goal(f"added by the last batch on {engine}, MB", added, MAX_GROWTH_MB, at_most=True),
            ]
    return SuiteReport(
        title=f"Memory of one worker in MB, batches of {REQUESTS:,} requests, every tenth a POST",
        columns=("engine", "idle", *(f"after {batch * REQUESTS:,}" for batch in range(1, BATCHES + 1))),
        rows=rows,
        goals=goals,
        measurements=measured,
    )


def _measure(testbed: Testbed, engine: str, options: Options) -> list[int | None]:
    deployment = testbed.copy(testbed.seeded(engine, options.jobs), f"memory_{engine}")
    testbed.start_cache_relay(deployment)
    folder = testbed.folder / deployment.name
    with (
        MeasuredServer(deployment, folder) as server,
        ApiClient(server.port, deployment.token) as client,
    ):
        client.request("GET", "/api/v1/jobs/")
        sizes = [server.memory_bytes()]
        for batch in range(BATCHES):
            for n in range(batch * REQUESTS, (batch + 1) * REQUESTS):
                if n % 10 == 0:
                    client.request("POST", "/api/v1/jobs/", {"name": f"job {n}"})
                else:
                    client.request("GET", READS[n % len(READS)].format(n=n, limit=n % 100 + 1))
            sizes.append(server.memory_bytes())
    return sizes
