"""`manage.py fold_counts`: folds the rows that writers appended to the exact counts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator import counts
from orchestrator.json_codec import to_json


class Command(BaseCommand):
    help = (
        "Fold the rows that writers appended to the exact counts, so that reading the counts stays fast. "
        "Safe at any time, beside any writer. The worker does it regularly."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        folded = counts.fold()
        rows = counts.rows_by_table()
        if options["json"]:
            self.stdout.write(to_json({"folded": folded, "rows": rows}).decode())
        else:
            totals = ", ".join(f"{number:,} {table}" for table, number in rows.items())
            self.stdout.write(f"Folded {folded:,} rows of row_counts. There are {totals}.")
