"""`manage.py roll_up_minutes`: counts what happened in each minute, for the dashboard's charts."""

from typing import Any

from django.utils import timezone

from monitoring.management.reports import ReportCommand
from orchestrator.console import rollups
from orchestrator.console.models import MinuteRollup


class Command(ReportCommand):
    help = (
        "Count what happened to jobs in the minutes that are over, for the dashboard. The background "
        "worker and the dashboard do it too. Older minutes follow step by step, back to a week."
    )

    def handle(self, **options: Any) -> None:
        rollups.update_rollups(timezone.now())
        kept = MinuteRollup.objects.count()
        if options["json"]:
            self.write_json({"minutes": kept})
        else:
            self.stdout.write(f"{kept:,} minutes are rolled up.")
