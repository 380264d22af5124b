"""`manage.py requeue_expired`: ends leases that have run out, and makes scheduled jobs due."""

from dataclasses import asdict
from typing import Any

from monitoring.management.reports import ReportCommand
from orchestrator import background
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = (
        "Give back jobs whose lease has run out: each is pending again after a back-off, or failed if it has "
        "no attempt left. Also make jobs due whose time has come, and forget workers that were silent for a "
        "day. Safe at any time, and twice at once. The background worker does it every few seconds."
    )

    def handle(self, **options: Any) -> None:
        with migrated_database():
            done = background.requeue_expired()
        if done is None:
            self.write_busy(json=options["json"])
        elif options["json"]:
            self.write_json(asdict(done))
        else:
            self.stdout.write(
                f"{done.requeued:,} jobs are pending again and {done.failed:,} have failed. "
                f"{done.promoted:,} jobs have become due. {done.pruned:,} silent workers are forgotten."
            )
