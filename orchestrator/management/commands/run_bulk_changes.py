"""`manage.py run_bulk_changes`: goes on with the bulk changes that operators have started."""

from typing import Any

from monitoring.management.reports import ReportCommand
from orchestrator import background
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = (
        "Go on with the bulk changes that operators have started in the console. The background worker does "
        "it every few seconds; without one, a change goes on while its page is open."
    )

    def handle(self, **options: Any) -> None:
        with migrated_database():
            ended = background.run_bulk_changes()
        if ended is None:
            self.write_busy(json=options["json"])
        elif options["json"]:
            self.write_json({"ended": ended})
        else:
            self.stdout.write(f"{ended:,} bulk changes have ended.")
