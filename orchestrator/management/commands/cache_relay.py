"""The process that keeps the cache trustworthy."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from orchestrator.api.replay import replay
from orchestrator.cache import client, relay
from orchestrator.cache.audit import audit_live


class Command(BaseCommand):
    """Runs the relay until it is told to end."""

    help = (
        "Drain the outbox of cache invalidations, renew the lease on trust and audit a sample of the hits, "
        "until SIGTERM or Ctrl-C. "
        "`make run` starts one; several do not disturb each other."
    )
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        current = client.current()
        # In a thread of its own: a slow query of the audit must not hold up the lease.
        auditing = threading.Thread(target=audit_live, args=(current, replay, stop), daemon=True)
        if current.enabled:
            auditing.start()
        relay.run_relay(current, stop)
