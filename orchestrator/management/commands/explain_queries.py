"""`manage.py explain_queries`: shows whether every hot query is served by its index."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from monitoring import index_catalog
from monitoring.management.reports import ReportCommand
from monitoring.plan_checks import PlanCheck, examine
from orchestrator.hot_queries import hot_queries
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = (
        "Plan every hot query and show the index that the planner uses and the one that it must use. "
        "A table below 10,000 rows is cheaper to read whole; for such a table, check only that the index can "
        "serve the query, and where its few rows make another index as cheap, say so. Nothing is locked or "
        "changed. Exit status: 0 all as declared, 1 otherwise, 2 the database is not available."
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

    def handle(self, **options: Any) -> None:
        with migrated_database():
            examined = _examined(options["without"], analyze=options["analyze"])
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
                "; ".join(one.problems) or one.note,
            )
            for one in examined
        )
        self.write_table(("", "query", "index", "expected", *figures, ""), rows)
        wrong = sum(not one.ok for one in examined)
        self.stdout.write(f"{len(examined)} hot queries, {wrong} not as declared.")


def _examined(without: str | None, *, analyze: bool) -> tuple[PlanCheck, ...]:
    if not without:
        return examine(hot_queries(), analyze=analyze)
    if analyze:
        raise CommandError("--without cannot be used with --analyze; use only one of them", returncode=2)
    indexes = index_catalog.existing_indexes(connection)
    droppable = {index.name: index for index in indexes if not (index.primary or index.unique)}
    if without not in droppable:
        known = ", ".join(sorted(droppable))
        raise CommandError(f"--without {without!r} cannot be used; allowed: {known}", returncode=2)
    index = droppable[without]
    return examine((query for query in hot_queries() if query.table == index.table), without=index)


def _figures(one: PlanCheck, *, analyzed: bool) -> tuple[object, ...]:
    milliseconds = None if one.ms is None else f"{one.ms:.3f}"
    if not analyzed:
        return (milliseconds,)
    return (milliseconds, one.plan.rows, one.plan.buffers) if one.plan else (None, None, None)


def _entry(one: PlanCheck) -> dict[str, Any]:
    plan = one.plan
    return {
        **one.as_json(),
        "caller": one.hot.caller,
        "table": one.hot.table,
        "problems": list(one.problems),
        "note": one.note or None,
        "conditions": list(plan.conditions) if plan else None,
        "rows": plan.rows if plan else None,
        "buffers": plan.buffers if plan else None,
    }
