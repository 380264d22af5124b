"""`manage.py cache_relay`: the process that drains the outbox of cache invalidations."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from orchestrator.api.replay import replay
from orchestrator.cache import client, relay
from orchestrator.cache.audit import audit_live


class Command(BaseCommand):
    help = (
        "Drain the outbox of cache invalidations and audit a sample of the hits, "
        "until SIGTERM or Ctrl-C. `make run` starts one. Several may run at the same time."
    )
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        stop = relay.StopRequest()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, stop.make)
        cache = client.current()
        if cache.enabled:
            # In a thread of its own, so that a slow query of the audit does not delay the outbox.
            threading.Thread(target=audit_live, args=(cache, replay, stop), daemon=True).start()
        relay.run_relay(cache, stop)
