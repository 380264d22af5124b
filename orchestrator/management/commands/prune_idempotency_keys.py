"""`manage.py prune_idempotency_keys`: deletes the idempotency keys that have expired."""

from typing import Any

from monitoring.management.reports import ReportCommand
from orchestrator import background
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = "Delete the idempotency keys that are older than a day. The background worker does it every hour."

    def handle(self, **options: Any) -> None:
        with migrated_database():
            deleted = background.prune_idempotency_keys()
        if deleted is None:
            self.write_busy(json=options["json"])
        elif options["json"]:
            self.write_json({"deleted": deleted})
        else:
            self.stdout.write(f"Deleted {deleted:,} expired idempotency keys.")
