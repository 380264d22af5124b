"""`manage.py performance_report`: what the report's indexes are worth, measured."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from django.core.management.base import CommandError

from monitoring.management.reports import ReportCommand
from monitoring.plans import UnknownEngineError
from orchestrator.demo.plan import Plan
from orchestrator.management.databases import reported_database
from orchestrator.performance import (
    OF_THE_REPORT,
    STAGES,
    Comparison,
    PerformanceReport,
    performance_report,
)

LARGEST: Final = 100_000_000
_HEAD: Final = """\
| query | rows | index before | ms | index after | ms | times as fast | index now | ms |
| --- | ---: | --- | ---: | --- | ---: | ---: | --- | ---: |"""


class Command(ReportCommand):
    help = (
        "Measure every hot query before the performance report's indexes (migration 0001), after them (0002) "
        "and now, on a scratch database that is made beside the database, filled and removed again; write "
        "the report's section Performance Test Results as Markdown."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--jobs", metavar="N", default="100000", help="how many jobs (default: %(default)s)"
        )
        parser.add_argument("--seed", metavar="S", default="1", help="a whole number (default: %(default)s)")
        parser.add_argument(
            "--database",
            metavar="ALIAS",
            default="default",
            help="beside which database (default: %(default)s)",
        )

    def handle(self, **options: Any) -> None:
        jobs = _whole_number("--jobs", str(options["jobs"]), smallest=1)
        seed = _whole_number("--seed", str(options["seed"]), smallest=0)
        until = datetime.now(UTC).replace(microsecond=0)
        # As many users and tasks as an orchestrator of so many jobs has, and some in any case.
        plan = Plan(jobs, None, max(jobs // 5, 100), max(jobs // 20, 100), seed, until)
        with reported_database(options["database"]) as alias:
            try:
                report = performance_report(plan, using=alias, progress=self._progress)
            except UnknownEngineError as error:
                raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            self.write_json(_document(report))
        else:
            self.stdout.write("\n".join(_markdown(report)))

    def _progress(self, text: str) -> None:
        self.stderr.write(f"{text} …")


def _markdown(report: PerformanceReport) -> Iterator[str]:
    sizes = ", ".join(f"{count:,} {table}" for table, count in report.rows.items())
    own, others = report.comparisons[: len(OF_THE_REPORT)], report.comparisons[len(OF_THE_REPORT) :]
    yield "## Performance Test Results"
    yield ""
    yield f"{report.engine}, {sizes}; `manage.py performance_report --jobs {report.rows['jobs']}`."
    yield ""
    yield (
        "Before is migration `0001_initial`, after is `0002_performance_optimization`, now is the newest. "
        "Milliseconds are those of the fastest of up to 15 runs, one query at a time, all rows fetched; "
        "the index is the one that the planner chose freely."
    )
    yield ""
    yield from (_HEAD, *map(_line, own))
    yield ""
    yield "### All other hot queries"
    yield ""
    yield from (_HEAD, *map(_line, others))


def _line(comparison: Comparison) -> str:
    before, after, now = (comparison.stages[stage] for stage, _ in STAGES)
    cells = (
        comparison.name,
        str(now.rows),
        before.index,
        f"{before.ms:.2f}",
        after.index,
        f"{after.ms:.2f}",
        f"{comparison.speedup:.1f}",
        now.index,
        f"{now.ms:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def _document(report: PerformanceReport) -> dict[str, Any]:
    return {
        "engine": report.engine,
        "rows": report.rows,
        "seed": report.seed,
        "queries": [
            {
                "query": comparison.name,
                "times_as_fast": round(comparison.speedup, 2),
                **{
                    stage: {"index": measured.index, "ms": round(measured.ms, 3), "rows": measured.rows}
                    for stage, measured in comparison.stages.items()
                },
            }
            for comparison in report.comparisons
        ],
    }


def _whole_number(name: str, text: str, *, smallest: int) -> int:
    if text.isascii() and text.isdigit() and smallest <= int(text[:10]) <= LARGEST:
        return int(text)
    raise CommandError(
        f"{name} {text!r} cannot be used; allowed: a whole number from {smallest} to {LARGEST}", returncode=2
    )
