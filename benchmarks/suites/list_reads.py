"""The same list of 100 jobs, served by the service and by other ways to build it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from benchmarks.api_client import ApiClient
from benchmarks.load import LoadResult, RequestSpec
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Sample, SuiteReport, format_cpu, format_number
from benchmarks.testbed import Deployment, Testbed
from benchmarks.web_server import ALTERNATIVES, MeasuredServer

CONNECTIONS = 8

PLAIN, CACHALOT, CACHEOPS = (
    f"benchmarks.rivals.{name}" for name in ("settings", "settings_cachalot", "settings_cacheops")
)
SERVICE = "kyros.settings"
NO_CACHE = {"REDIS_URL": "none"}
#: Never in the cache: its URL is part of an entry's key. The last value of a repeated parameter counts.
UNCACHED_PATH = "/api/v1/jobs/?limit={n}&limit=100"
#: A round never sends as many requests, so that no number is used twice.
NUMBERS_PER_ROUND = 10_000_000

EMPTY, EMPTY_DRF, DRF, HIT, NOT_MODIFIED, MISS = (
    "empty Django view",
    "empty DRF view, JWT, user query",
    "plain DRF",
    "service, HIT",
    "service, 304",
    "service, MISS",
)


@dataclass(frozen=True)
class Variant:
    """One way to serve the list: the settings and variables of its server, and the path of the list."""

    name: str
    settings: str
    path: str
    environment: Mapping[str, str] = field(default_factory=dict)


VARIANTS = (
    Variant(EMPTY, PLAIN, "/empty/"),
    Variant(EMPTY_DRF, PLAIN, "/empty-drf/"),
    Variant(DRF, PLAIN, "/jobs/"),
    Variant("DRF, django-cachalot", CACHALOT, "/jobs/"),
    Variant("DRF, django-cacheops", CACHEOPS, "/jobs/"),
    Variant("DRF, cached data", PLAIN, "/cached-data/"),
    Variant("DRF, cache_page", PLAIN, "/cached-response/"),
    Variant(HIT, SERVICE, "/api/v1/jobs/"),
    Variant(NOT_MODIFIED, SERVICE, "/api/v1/jobs/"),
    Variant(MISS, SERVICE, UNCACHED_PATH),
    Variant("service, no cache server", SERVICE, "/api/v1/jobs/", NO_CACHE),
)

#: Two variants, and the smallest ratio of their throughputs that meets the goal.
GOALS = (
    (HIT, DRF, 20),
    (HIT, EMPTY_DRF, 1.0),
    (HIT, EMPTY, 0.35),
    (HIT, "DRF, django-cachalot", 15),
    (HIT, "DRF, django-cacheops", 15),
    (NOT_MODIFIED, HIT, 1.2),
    (MISS, DRF, 4),
)


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure every variant in every round."""
    with ExitStack() as stack:
        deployment = testbed.copy(testbed.seeded("sqlite", options.jobs), "lists")
        testbed.start_cache_relay(deployment)
        servers, etag = _start(stack, testbed, deployment)
        requests = {variant.name: _request(variant, deployment, etag) for variant in VARIANTS}
        results: dict[str, list[LoadResult]] = {variant.name: [] for variant in VARIANTS}
        for round_number in range(-1, options.rounds):
            for variant in VARIANTS:
                result = servers[variant.settings, bool(variant.environment)].run_load(
                    requests[variant.name],
                    seconds=options.seconds if round_number >= 0 else 1,  # round -1 warms up
                    connections=CONNECTIONS,
                    first=(round_number + 1) * NUMBERS_PER_ROUND + 10,
                )
                if round_number >= 0:
                    results[variant.name].append(result)
    return _report(results)


def _start(
    stack: ExitStack, testbed: Testbed, deployment: Deployment
) -> tuple[dict[tuple[str, bool], MeasuredServer], str]:
    """Start a server for each settings module; return them, and the list's ETag."""
    folder = testbed.folder / deployment.name
    service = stack.enter_context(MeasuredServer(deployment, folder))
    with ApiClient(service.port, deployment.token) as client:
        for path, x_cache in (
            ("/api/v1/jobs/", "MISS"),
            ("/api/v1/jobs/", "HIT"),
            (UNCACHED_PATH.format(n=1), "MISS"),
            (UNCACHED_PATH.format(n=2), "MISS"),
        ):
            response = client.request("GET", path)
            assert response.headers["X-Cache"] == x_cache, (path, response.headers)
        response = client.request("GET", "/api/v1/jobs/")
    (folder / "body.json").write_bytes(response.body)
    without_cache = replace(deployment, environment={**deployment.environment, **NO_CACHE})
    servers = {
        (SERVICE, False): service,
        (SERVICE, True): stack.enter_context(MeasuredServer(without_cache, folder)),
    }
    for settings in (PLAIN, CACHALOT, CACHEOPS):
        server = MeasuredServer(deployment, folder, settings=settings, application=ALTERNATIVES)
        servers[settings, False] = stack.enter_context(server)
    return servers, response.headers["ETag"]


def _request(variant: Variant, deployment: Deployment, etag: str) -> RequestSpec:
    token = deployment.token if variant.settings == SERVICE else deployment.simplejwt_token
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if variant.name == NOT_MODIFIED:
        headers["If-None-Match"] = etag
    return RequestSpec(variant.path, headers=headers)


def _report(results: dict[str, list[LoadResult]]) -> SuiteReport:
    samples = {
        name: Sample([result.requests_per_second for result in measured])
        for name, measured in results.items()
    }
    rows = [
        (
            name,
            format_number(sample.median),
            sample.spread(),
            *(format_number(sample.ratio_to(samples[other]).median) for other in (DRF, EMPTY_DRF, EMPTY)),
            format_cpu(results[name]),
            format_number(Sample([result.p50_ms for result in results[name]]).median),
            format_number(Sample([result.p99_ms for result in results[name]]).median),
        )
        for name, sample in samples.items()
    ]
    return SuiteReport(
        title=f"A list of 100 jobs, SQLite, one worker, {CONNECTIONS} connections (medians of the rounds)",
        columns=(
            "variant",
            "requests/s",
            "min to max",
            "x plain DRF",
            "x empty DRF",
            "x empty Django",
            "CPU ms",
            "p50 ms",
            "p99 ms",
        ),
        rows=rows,
        goals=[
            Goal.for_median(f"{one}, x {other}", samples[one].ratio_to(samples[other]), bound)
            for one, other, bound in GOALS
        ],
        measurements={name: [vars(result) for result in measured] for name, measured in results.items()},
    )
