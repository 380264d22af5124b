"""`manage.py snapshot_tables`: measures the tables, from which their growth is computed."""

from typing import Any

from monitoring import snapshots
from monitoring.management.reports import ReportCommand


class Command(ReportCommand):
    help = (
        "Measure every table and store the result, at most once an hour. The background worker does it too."
    )

    def handle(self, **options: Any) -> None:
        taken = snapshots.take_in_background()
        if taken is None:
            self.write_busy(json=options["json"])
        elif options["json"]:
            self.write_json({"snapshots": taken})
        else:
            self.stdout.write(f"{taken} tables measured.")
