"""Ends leases that have run out, again and again: ``python -m tests.leases.soak_expiry``, until SIGTERM.

The background worker does it every five seconds; the soak wants more of it, in two processes at once.
"""

import os
import signal
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
django.setup()

from django.db import DatabaseError, InterfaceError, connection  # noqa: E402

from orchestrator.leases import expiry  # noqa: E402

PAUSE_SECONDS = 0.2


def main() -> None:
    """Run until SIGTERM, also while the database is away."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.wait(PAUSE_SECONDS):
        try:
            expiry.requeue_expired()
        except (DatabaseError, InterfaceError):
            connection.close()


if __name__ == "__main__":
    main()
