"""`manage.py snapshot_tables`: measures the tables, for what is told of their growth."""

from typing import Any

from monitoring import snapshots
from monitoring.management.reports import ReportCommand


class Command(ReportCommand):
    help = "Measure every table and keep the result, once an hour at most. The background worker does it too."

    def handle(self, **options: Any) -> None:
        taken = snapshots.take()
        if options["json"]:
            self.write_json({"snapshots": taken})
        else:
            self.stdout.write(f"{taken} tables measured.")
