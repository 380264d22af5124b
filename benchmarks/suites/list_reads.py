"""The same list of 100 jobs, served by others and by us."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import jwt

from benchmarks.api_client import Client
from benchmarks.load import Load, Request
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Report, Sample, number, processor
from benchmarks.testbed import SECRET_KEY, Lab, Site
from benchmarks.web_server import RIVALS, Web

CONNECTIONS = 8
#: So many requests fit between two rounds' numbers of requests that are each another one.
NUMBERS = 10_000_000

PLAIN, CACHALOT, CACHEOPS = (
    f"benchmarks.alternatives.{name}" for name in ("settings", "settings_cachalot", "settings_cacheops")
)
OURS = "kyros.settings"

EMPTY, EMPTY_DRF, DRF, HIT, UNCHANGED, MISS = (
    "empty Django view",
    "empty DRF view, JWT, user query",
    "plain DRF",
    "ours, HIT",
    "ours, 304",
    "ours, MISS",
)


@dataclass(frozen=True)
class Variant:
    """A way to serve the list: its server's settings and variables, and what is asked of it."""

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
    Variant(HIT, OURS, "/api/v1/jobs/"),
    Variant(UNCHANGED, OURS, "/api/v1/jobs/"),
    Variant(MISS, OURS, "/api/v1/jobs/?n={n}"),
    Variant("ours, no cache server", OURS, "/api/v1/jobs/", {"REDIS_URL": "none"}),
)


def run(lab: Lab, options: Options) -> Report:
    """Measure every variant in every round."""
    with ExitStack() as stack:
        site = lab.copy(lab.rows("sqlite", options.jobs), "lists")
        lab.keep(site)
        webs, etag = _webs(stack, lab, site)
        requests = {variant.name: _request(variant, site, etag) for variant in VARIANTS}
        loads: dict[str, list[Load]] = {variant.name: [] for variant in VARIANTS}
        for measured in range(-1, options.rounds):
            for variant in VARIANTS:
                seconds = options.seconds if measured >= 0 else 1  # the first round warms up
                load = webs[variant.settings, bool(variant.environment)].drive(
                    requests[variant.name],
                    seconds=seconds,
                    connections=CONNECTIONS,
                    first=(measured + 1) * NUMBERS,
                )
                if measured >= 0:
                    loads[variant.name].append(load)
    return _report(loads)


def _webs(stack: ExitStack, lab: Lab, site: Site) -> tuple[dict[tuple[str, bool], Web], str]:
    """Start a server for each settings; return them, and the entity tag of the list."""
    folder = lab.folder / site.name
    ours = stack.enter_context(Web(site, folder))
    with Client(ours.port, site.token) as client:
        client.ask("GET", "/api/v1/jobs/")
        answer = client.ask("GET", "/api/v1/jobs/")
    assert answer.headers["X-Cache"] == "HIT", answer.headers
    Path(folder / "body.json").write_bytes(answer.body)
    uncached = Site(site.name, site.engine, {**site.environment, "REDIS_URL": "none"})
    webs = {(OURS, False): ours, (OURS, True): stack.enter_context(Web(uncached, folder))}
    for settings in (PLAIN, CACHALOT, CACHEOPS):
        webs[settings, False] = stack.enter_context(Web(site, folder, settings=settings, application=RIVALS))
    return webs, answer.headers["ETag"]


def _request(variant: Variant, site: Site, etag: str) -> Request:
    token = site.token if variant.settings == OURS else _simple_token(site)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if variant.name == UNCHANGED:
        headers["If-None-Match"] = etag
    return Request(variant.path, headers=headers)


def _simple_token(site: Site) -> str:
    """Return a token as simplejwt makes it."""
    claims = {
        "token_type": "access",
        "exp": int(time.time()) + 86_400,
        "jti": "1",
        "user_id": str(UUID(site.user_id)),
    }
    return jwt.encode(claims, SECRET_KEY, algorithm="HS256")


def _report(loads: dict[str, list[Load]]) -> Report:
    samples = {name: Sample([load.per_second for load in measured]) for name, measured in loads.items()}
    rows = [
        (
            name,
            number(sample.median),
            sample.spread(),
            *(number(sample.over(samples[other]).median) for other in (DRF, EMPTY_DRF, EMPTY)),
            processor(loads[name]),
            number(Sample([load.p50 for load in loads[name]]).median),
            number(Sample([load.p99 for load in loads[name]]).median),
        )
        for name, sample in samples.items()
    ]
    ratios = (
        (HIT, DRF, 20),
        (HIT, EMPTY_DRF, 1.0),
        (HIT, EMPTY, 0.35),
        (HIT, "DRF, django-cachalot", 15),
        (HIT, "DRF, django-cacheops", 15),
        (UNCHANGED, HIT, 1.2),
        (MISS, DRF, 4),
    )
    return Report(
        title=f"The same list of 100 jobs, SQLite, one worker, {CONNECTIONS} connections (medians of rounds)",
        columns=(
            "variant",
            "requests/s",
            "from to",
            "x DRF",
            "x empty DRF",
            "x empty Django",
            "processor ms",
            "p50 ms",
            "p99 ms",
        ),
        rows=rows,
        goals=[
            Goal.of(f"{one} against {other}", samples[one].over(samples[other]), bound)
            for one, other, bound in ratios
        ],
        measured={name: [vars(load) for load in measured] for name, measured in loads.items()},
    )
