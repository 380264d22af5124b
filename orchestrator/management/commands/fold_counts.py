"""`manage.py fold_counts`: folds the rows that writers appended to the exact counts."""

from typing import Any

from monitoring.management.reports import ReportCommand
from orchestrator import background, counts
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = (
        "Fold the rows that writers appended to the exact counts, so that reading the counts stays fast. "
        "Safe at any time, beside any writer. The worker does it regularly."
    )

    def handle(self, **options: Any) -> None:
        with migrated_database():
            folded = background.fold_counts()
            rows = counts.rows_by_table()
        if folded is None:
            self.write_busy(json=options["json"])
        elif options["json"]:
            self.write_json({"folded": folded, "rows": rows})
        else:
            totals = ", ".join(f"{number:,} {table}" for table, number in rows.items())
            self.stdout.write(f"Folded {folded:,} rows of row_counts. There are {totals}.")
