"""`manage.py snapshot_tables`: measures the tables, from which their growth is computed."""

from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from monitoring import snapshots
from monitoring.formatting import first_line
from monitoring.management.reports import ReportCommand


class Command(ReportCommand):
    help = (
        "Measure every table and store the result, at most once an hour. The background worker does it too."
    )

    def handle(self, **options: Any) -> None:
        try:
            taken = snapshots.take_in_background()
        except DatabaseError as error:
            raise CommandError(f"The tables cannot be measured: {first_line(error)}", returncode=2) from error
        if taken is None:
            self.write_busy(json=options["json"])
        elif options["json"]:
            self.write_json({"snapshots": taken})
        else:
            self.stdout.write(f"{taken} tables measured.")
