"""`manage.py prune_idempotency_keys`: deletes the idempotency keys that have expired."""

from typing import Any

from monitoring.management.reports import ReportCommand
from orchestrator.submission import idempotency


class Command(ReportCommand):
    help = "Delete the idempotency keys that are older than a day. The background worker does it every hour."

    def handle(self, **options: Any) -> None:
        deleted = idempotency.prune()
        if options["json"]:
            self.write_json({"deleted": deleted})
        else:
            self.stdout.write(f"Deleted {deleted:,} expired idempotency keys.")
