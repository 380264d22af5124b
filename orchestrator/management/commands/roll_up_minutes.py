"""`manage.py roll_up_minutes`: counts the events of each minute for the dashboard's charts."""

from typing import Any

from monitoring.management.reports import ReportCommand
from orchestrator import background
from orchestrator.console.models import MinuteRollup
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = (
        "Count the job events of each completed minute for the dashboard. The background worker and the "
        "dashboard do the same. Earlier minutes are added step by step, back to one week."
    )

    def handle(self, **options: Any) -> None:
        with migrated_database():
            added = background.roll_up_minutes()
            minutes = MinuteRollup.objects.count()
        if added is None:
            self.write_busy(json=options["json"])
        elif options["json"]:
            self.write_json({"minutes": minutes})
        else:
            self.stdout.write(f"{minutes:,} minutes are rolled up.")
