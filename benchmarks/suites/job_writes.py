"""POST of a job, with and without the work that keeps cache and counts correct on every write."""

from contextlib import ExitStack

from benchmarks.load import LoadResult, RequestSpec
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Sample, SuiteReport, format_cpu, format_number
from benchmarks.testbed import ENGINES, Deployment, Testbed
from benchmarks.web_server import SingleWorkerServer

WRITERS = (1, 8)
SERVICE, WITHOUT_COUNTS, BASELINE = "service", "without counts", "baseline, without cache and counts"
_COUNTS, _CACHE = "count_", "cache_"
#: For each variant, the prefixes of the triggers that are dropped, and the settings.
VARIANTS = {
    SERVICE: ((), "kyros.settings"),
    WITHOUT_COUNTS: ((_COUNTS,), "kyros.settings"),
    BASELINE: ((_COUNTS, _CACHE), "benchmarks.baseline_settings"),
}
GOALS = {("sqlite", 1): 0.8, ("sqlite", 8): 0.8, ("postgres", 1): 0.8, ("postgres", 8): 0.9}

Results = dict[tuple[str, str, int], list[LoadResult]]


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure every variant on both engines, with one and with eight writers, in every round."""
    results: Results = {}
    for engine in ENGINES:
        with ExitStack() as stack:
            servers = {name: _start(stack, testbed, engine, name, options) for name in VARIANTS}
            for round_number in range(-1, options.rounds):
                for writers in WRITERS:
                    for name, (server, request) in servers.items():
                        seconds = options.seconds if round_number >= 0 else 1  # round -1 warms up
                        result = server.run_load(request, seconds=seconds, connections=writers)
                        if round_number >= 0:
                            results.setdefault((engine, name, writers), []).append(result)
    return _report(results)


def _start(
    stack: ExitStack, testbed: Testbed, engine: str, name: str, options: Options
) -> tuple[SingleWorkerServer, RequestSpec]:
    triggers, settings = VARIANTS[name]
    database = f"{engine}_writes_{list(VARIANTS).index(name)}"
    deployment = testbed.copy(testbed.seeded(engine, options.jobs), database)
    if triggers:
        deployment.run_step("drop_triggers", *triggers)
    testbed.start_cache_relay(deployment)
    folder = testbed.folder / deployment.name
    server = SingleWorkerServer(deployment, folder, settings=settings)
    return stack.enter_context(server), _post(deployment)


def _post(deployment: Deployment) -> RequestSpec:
    headers = {"Authorization": f"Bearer {deployment.token}", "Content-Type": "application/json"}
    body = '{"name": "nightly report", "priority": 5, "metadata": {"team": "finance"}}'
    return RequestSpec("/api/v1/jobs/", "POST", headers, body)


def _report(results: Results) -> SuiteReport:
    samples = {
        key: Sample([result.requests_per_second for result in measured]) for key, measured in results.items()
    }
    ratios = {
        (engine, name, writers): sample.ratio_to(samples[engine, BASELINE, writers])
        for (engine, name, writers), sample in samples.items()
    }
    rows = [
        (
            f"{engine}, {writers} writers, {name}",
            format_number(samples[key].median),
            samples[key].spread(),
            format_number(ratio.median),
            format_cpu(results[key]),
            format_number(Sample([result.p99_ms for result in results[key]]).median),
        )
        for key, ratio in ratios.items()
        for engine, name, writers in [key]
    ]
    return SuiteReport(
        title="POST of a job, one worker (medians of the rounds)",
        columns=("variant", "requests/s", "min to max", "x baseline", "CPU ms", "p99 ms"),
        rows=rows,
        goals=[
            Goal.for_median(
                f"POST on {engine}, {writers} writers, x baseline", ratios[engine, SERVICE, writers], bound
            )
            for (engine, writers), bound in GOALS.items()
        ],
        measurements={
            " ".join(map(str, key)): [vars(result) for result in measured]
            for key, measured in results.items()
        },
    )
