"""POST of a job, with and without what keeps cache and counts right at every write."""

from contextlib import ExitStack

from benchmarks.load import Load, Request
from benchmarks.options import Options
from benchmarks.suite_report import Goal, Report, Sample, number, processor
from benchmarks.testbed import ENGINES, Lab, Site
from benchmarks.web_server import Web

WRITERS = (1, 8)
WHOLE, WITHOUT_COUNTS = "whole", "without counts"
WITHOUT_TRIGGERS, BARE = "CACHE_TRIGGERS=false", "without protocol, triggers and counts"
_COUNTS, _CACHE = "count_", "cache_"
#: Of each variant: the triggers that go, and the settings.
VARIANTS = {
    WHOLE: ((), "kyros.settings"),
    WITHOUT_COUNTS: ((_COUNTS,), "kyros.settings"),
    WITHOUT_TRIGGERS: ((_CACHE,), "kyros.settings"),
    BARE: ((_COUNTS, _CACHE), "benchmarks.baseline_settings"),
}
GOALS = {("sqlite", 1): 0.8, ("sqlite", 8): 0.8, ("postgres", 1): 0.8, ("postgres", 8): 0.9}


def run(lab: Lab, options: Options) -> Report:
    """Measure every variant on both engines, with one and with eight writers, in every round."""
    loads: dict[tuple[str, str, int], list[Load]] = {}
    for engine in ENGINES:
        with ExitStack() as stack:
            webs = {name: _web(stack, lab, engine, name, options) for name in VARIANTS}
            for measured in range(-1, options.rounds):
                for writers in WRITERS:
                    for name, (web, request) in webs.items():
                        seconds = options.seconds if measured >= 0 else 1
                        load = web.drive(request, seconds=seconds, connections=writers)
                        if measured >= 0:
                            loads.setdefault((engine, name, writers), []).append(load)
    return _report(loads)


def _web(stack: ExitStack, lab: Lab, engine: str, name: str, options: Options) -> tuple[Web, Request]:
    triggers, settings = VARIANTS[name]
    site = lab.copy(lab.rows(engine, options.jobs), f"{engine}_{list(VARIANTS).index(name)}")
    if triggers:
        site.prepare("drop_triggers", *triggers)
    lab.keep(site)
    web = stack.enter_context(Web(site, lab.folder / site.name, settings=settings, threads=max(WRITERS)))
    return web, _post(site)


def _post(site: Site) -> Request:
    headers = {"Authorization": f"Bearer {site.token}", "Content-Type": "application/json"}
    body = '{"name": "nightly report", "priority": 5, "metadata": {"team": "finance"}}'
    return Request("/api/v1/jobs/", "POST", headers, body)


def _report(loads: dict[tuple[str, str, int], list[Load]]) -> Report:
    samples = {key: Sample([load.per_second for load in measured]) for key, measured in loads.items()}
    ratios = {
        (engine, name, writers): sample.over(samples[engine, BARE, writers])
        for (engine, name, writers), sample in samples.items()
    }
    rows = [
        (
            f"{engine}, {writers} writers, {name}",
            number(sample.median),
            sample.spread(),
            number(ratios[key].median),
            processor(loads[key]),
        )
        for key, sample in samples.items()
        for engine, name, writers in [key]
    ]
    return Report(
        title="POST of a job, one worker (medians of the rounds)",
        columns=("variant", "writes/s", "from to", "x bare", "processor ms"),
        rows=rows,
        goals=[
            Goal.of(
                f"POST on {engine} with {writers} writers against the bare one",
                ratios[engine, WHOLE, writers],
                bound,
            )
            for (engine, writers), bound in GOALS.items()
        ],
        measured={
            " ".join(map(str, key)): [vars(load) for load in measured] for key, measured in loads.items()
        },
    )
