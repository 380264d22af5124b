"""`manage.py explain_queries`: shows whether every hot query is served by its index."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError
from django.db import connections

from monitoring import index_catalog
from monitoring.management.reports import ReportCommand
from monitoring.plan_checks import SECONDS_IN_ALL, HotQuery, PlanCheck, examine
from orchestrator.hot_queries import hot_queries
from orchestrator.management.databases import reported_database

MAX_SECONDS = 3600


class Command(ReportCommand):
    help = (
        "Plan every hot query and show the index that the planner uses and the one that it must use. "
        "A table below 10,000 rows is cheaper to read whole; for such a table, check only that the index can "
        "serve the query. Nothing is locked or changed. Exit status: 0 all as declared, 1 otherwise, 2 the "
        "database is not available."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--analyze", action="store_true", help="also run the queries, and show their times and rows"
        )
        parser.add_argument(
            "--without",
            metavar="INDEX",
            help="plan the queries of its table as if this index did not exist, to see if it can be dropped",
        )
        parser.add_argument(
            "--database", metavar="ALIAS", default="default", help="which database (default: %(default)s)"
        )
        parser.add_argument(
            "--seconds",
            metavar="N",
            default=str(round(SECONDS_IN_ALL)),
            help="time limit for all queries; a query that is not reached in time counts as not as declared "
            "(default: %(default)s)",
        )

    def handle(self, **options: Any) -> None:
        seconds = _seconds(str(options["seconds"]))
        queries = hot_queries()
        with reported_database(options["database"]) as alias:
            examined = (
                _examined_without(options["without"], queries, alias, analyze=options["analyze"])
                if options["without"]
                else examine(queries, alias, analyze=options["analyze"], seconds=seconds)
            )
        ok = all(one.ok for one in examined)
        if options["json"]:
            self.write_json(
                {"ok": ok, "analyzed": options["analyze"], "queries": [_entry(one) for one in examined]}
            )
        else:
            self._write(examined, analyzed=options["analyze"])
        sys.exit(0 if ok else 1)

    def _write(self, examined: tuple[PlanCheck, ...], *, analyzed: bool) -> None:
        figures = ("ms", "rows", "pages") if analyzed else ("ms to plan",)
        rows = (
            (
                "ok" if one.ok else "NOT",
                one.query,
                one.index,
                one.expected,
                *_figures(one, analyzed=analyzed),
                "; ".join(one.problems),
            )
            for one in examined
        )
        self.write_table(("", "query", "index", "expected", *figures, ""), rows)
        wrong = sum(not one.ok for one in examined)
        self.stdout.write(f"{len(examined)} hot queries, {wrong} not as declared.")


def _examined_without(
    name: str, queries: Iterable[HotQuery], alias: str, *, analyze: bool
) -> tuple[PlanCheck, ...]:
    if analyze:
        raise CommandError("--without cannot be used with --analyze; use only one of them", returncode=2)
    droppable = [
        index
        for index in index_catalog.existing_indexes(connections[alias])
        if not (index.primary or index.unique)
    ]
    for index in droppable:
        if index.name == name:
            about = [one for one in queries if one.table == index.table]
            return examine(about, alias, without=index)
    known = ", ".join(sorted(index.name for index in droppable))
    raise CommandError(f"--without {name!r} cannot be used; allowed: {known}", returncode=2)


def _figures(one: PlanCheck, *, analyzed: bool) -> tuple[object, ...]:
    milliseconds = None if one.ms is None else f"{one.ms:.3f}"
    if not analyzed:
        return (milliseconds,)
    return (milliseconds, one.plan.rows, one.plan.buffers) if one.plan else (None, None, None)


def _entry(one: PlanCheck) -> dict[str, Any]:
    plan = one.plan
    return {
        "query": one.query,
        "caller": one.hot.caller,
        "table": one.hot.table,
        "index": one.index,
        "expected": one.expected,
        "declared": [one.hot.index, *one.hot.alternatives],
        "ok": one.ok,
        "problems": list(one.problems),
        "ms": one.ms,
        "planner_was_free": one.free,
        "conditions": list(plan.conditions) if plan else None,
        "full_scan": plan.full_scan if plan else None,
        "sort": plan.sort.value if plan else None,
        "rows": plan.rows if plan else None,
        "buffers": plan.buffers if plan else None,
    }


def _seconds(text: str) -> float:
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_SECONDS:
        return float(text)
    raise CommandError(
        f"--seconds {text!r} cannot be used; allowed: a whole number from 1 to {MAX_SECONDS}",
        returncode=2,
    )
