"""The process that keeps the cache trustworthy."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from orchestrator.cache import keeper, server


class Command(BaseCommand):
    """Runs the keeper until it is told to end."""

    help = (
        "Drain the outbox of cache invalidations and renew the lease on trust, until SIGTERM or Ctrl-C. "
        "`make run` starts one; several do not disturb each other."
    )
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        keeper.keep(server.current(), stop)
