"""The command that folds what writers appended to the exact counts."""

from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from orchestrator import counts


class Command(BaseCommand):
    """Folds once."""

    help = (
        "Fold what writers have appended to the exact counts, so that reading them stays short. "
        "Safe at any time, beside any writer; the service does it by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        folded = counts.fold()
        rows = counts.rows_by_table()
        if options["json"]:
            self.stdout.write(orjson.dumps({"folded": folded, "rows": rows}).decode())
        else:
            told = ", ".join(f"{number:,} {table}" for table, number in rows.items())
            self.stdout.write(f"Folded {folded:,} rows of row_counts. There are {told}.")
