"""Writes of jobs: beside plain DRF, without the work for cache and counts, and many jobs in one request."""

import json
import math
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.load import LoadResult, RequestSpec
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Sample, SuiteReport, format_cpu, format_number
from benchmarks.testbed import ENGINES, Deployment, Testbed
from benchmarks.web_server import ALTERNATIVES, MeasuredServer
from benchmarks.web_server import SERVICE as APPLICATION

WRITERS = (1, 8)
SERVICE, WITHOUT_COUNTS = "service", "without counts"
BASELINE = "baseline, without cache and counts"
#: Plain DRF on the service's connections, with their pool and options, and on those of a new Django project.
DRF, DRF_DEFAULTS = "plain DRF, simplejwt", "plain DRF, default connections"
PLAIN = (DRF, DRF_DEFAULTS)
POST, PUT, BULK = "POST", "PUT of the status", "bulk POST"
BULK_JOBS = 1000
MIN_BULK_SECONDS = 4.0
#: The last digits of the ids of the jobs whose status is changed begin here.
FIRST_NUMBER = 100_000_000_000
#: More changes of a status than one server makes in a second.
MAX_PUTS_PER_SECOND = 3000

_COUNTS, _CACHE = "count_", "cache_"
_JOB = {"name": "nightly report", "priority": 5, "metadata": {"team": "finance"}}


@dataclass(frozen=True)
class Variant:
    """A server: the prefixes of the triggers that are dropped, its settings, and what is measured on it."""

    settings: str
    operations: tuple[str, ...]
    triggers: tuple[str, ...] = ()
    application: str = APPLICATION


VARIANTS = {
    SERVICE: Variant("kyros.settings", (POST, PUT, BULK)),
    WITHOUT_COUNTS: Variant("kyros.settings", (POST,), (_COUNTS,)),
    BASELINE: Variant("benchmarks.baseline_settings", (POST, PUT), (_COUNTS, _CACHE)),
    DRF: Variant("benchmarks.rivals.settings_startproject", (POST, PUT), (_COUNTS, _CACHE), ALTERNATIVES),
    DRF_DEFAULTS: Variant(
        "benchmarks.rivals.settings_defaults", (POST, PUT), (_COUNTS, _CACHE), ALTERNATIVES
    ),
}
#: By operation: the variant and operation it is compared with, and the smallest ratio that meets the goal.
GOALS = (
    (
        POST,
        (BASELINE, POST),
        {("sqlite", 1): 0.8, ("sqlite", 8): 0.8, ("postgres", 1): 0.8, ("postgres", 8): 0.9},
    ),
    *(
        (operation, (plain, operation), {(engine, writers): 1.2 for engine in ENGINES for writers in WRITERS})
        for operation in (POST, PUT)
        for plain in PLAIN
    ),
    (BULK, (SERVICE, POST), {(engine, writers): 10 for engine in ENGINES for writers in WRITERS}),
)


@dataclass(frozen=True)
class Key:
    """What a measurement is of."""

    engine: str
    writers: int
    variant: str
    operation: str

    def __str__(self) -> str:
        return f"{self.engine}, {self.writers} writers, {self.operation}, {self.variant}"


Results = dict[Key, list[LoadResult]]


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure every variant on both engines, with one and with eight writers, in every round."""
    results: Results = {}
    for engine in ENGINES:
        with ExitStack() as stack:
            servers = {name: _start(stack, testbed, engine, name, options) for name in VARIANTS}
            for round_number in range(-1, options.rounds):
                for writers in WRITERS:
                    for operation in (POST, PUT, BULK):
                        for name, (server, deployment) in servers.items():
                            # One batch at a time: eight would not be done within a measurement.
                            if operation in VARIANTS[name].operations and (operation != BULK or writers == 1):
                                key = Key(engine, writers, name, operation)
                                result = _measure(server, deployment, key, round_number, options)
                                if round_number >= 0:
                                    results.setdefault(key, []).append(result)
    return _report(results)


def _start(
    stack: ExitStack, testbed: Testbed, engine: str, name: str, options: Options
) -> tuple[MeasuredServer, Deployment]:
    variant = VARIANTS[name]
    database = f"{engine}_writes_{list(VARIANTS).index(name)}"
    deployment = testbed.copy(testbed.seeded(engine, options.jobs), database)
    if PUT in variant.operations:
        number = _puts(options) * (options.rounds + 1) * len(WRITERS)
        deployment.run_step("add_numbered_jobs", str(FIRST_NUMBER), str(number))
    if variant.triggers:
        deployment.run_step("drop_triggers", *variant.triggers)
    if name in PLAIN:
        deployment.create_report_table()
    else:
        testbed.start_cache_relay(deployment)
    folder = testbed.folder / deployment.name
    server = MeasuredServer(deployment, folder, settings=variant.settings, application=variant.application)
    return stack.enter_context(server), deployment


def _puts(options: Options) -> int:
    """Return the number of jobs whose status one measurement may change."""
    return math.ceil(options.seconds) * MAX_PUTS_PER_SECOND


def _measure(
    server: MeasuredServer, deployment: Deployment, key: Key, round_number: int, options: Options
) -> LoadResult:
    slot = (round_number + 1) * len(WRITERS) + WRITERS.index(key.writers)
    return server.run_load(
        _request(deployment, key),
        # Round -1 warms up. A measurement of batches is long enough for several of them.
        seconds=max(options.seconds, MIN_BULK_SECONDS) if key.operation == BULK else options.seconds,
        connections=key.writers,
        first=FIRST_NUMBER + slot * _puts(options) - 1,
    )


def _request(deployment: Deployment, key: Key) -> RequestSpec:
    plain = key.variant in PLAIN
    token = deployment.simplejwt_token if plain else deployment.token
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    jobs = "/report-jobs/" if plain else "/api/v1/jobs/"
    if key.operation == PUT:
        path = f"{jobs}00000000-0000-7000-8000-{{n}}/{'' if plain else 'status/'}"
        return RequestSpec(path, "PATCH" if plain else "PUT", headers, json.dumps({"status": "running"}))
    if key.operation == BULK:
        return RequestSpec(f"{jobs}bulk/", "POST", headers, json.dumps({"jobs": [_JOB] * BULK_JOBS}))
    return RequestSpec(jobs, "POST", headers, json.dumps(_JOB))


def _report(results: Results) -> SuiteReport:
    samples = {
        key: Sample([_jobs_per_second(key, result) for result in measured])
        for key, measured in results.items()
    }
    return SuiteReport(
        title="Writes of jobs, one worker (medians of the rounds)",
        columns=(
            "variant",
            "jobs/s",
            "min to max",
            *(f"x {name}" for name in (BASELINE, *PLAIN)),
            "CPU ms",
            "p99 ms",
        ),
        rows=[
            (
                str(key),
                format_number(sample.median),
                sample.spread(),
                *(_ratio(samples, key, other) for other in (BASELINE, *PLAIN)),
                format_cpu(results[key]),
                format_number(Sample([result.p99_ms for result in results[key]]).median),
            )
            for key, sample in samples.items()
        ],
        goals=[
            Goal.for_median(
                f"{operation} on {engine}, x {other_operation} of {other} with {writers} writers",
                samples[Key(engine, 1 if operation == BULK else writers, SERVICE, operation)].ratio_to(
                    samples[Key(engine, writers, other, other_operation)]
                ),
                bound,
            )
            for operation, (other, other_operation), bounds in GOALS
            for (engine, writers), bound in bounds.items()
        ],
        measurements={str(key): [vars(result) for result in measured] for key, measured in results.items()},
    )


def _jobs_per_second(key: Key, result: LoadResult) -> float:
    return result.requests_per_second * (BULK_JOBS if key.operation == BULK else 1)


def _ratio(samples: dict[Key, Sample], key: Key, variant: str) -> str:
    other = samples.get(Key(key.engine, key.writers, variant, key.operation))
    return format_number(samples[key].ratio_to(other).median) if other else "-"
