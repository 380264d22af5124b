"""`manage.py migrate`: Django's command, which on PostgreSQL gives way to writers."""

from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections

from orchestrator.db.lock_retries import LockRetries


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=float,
            default=LockRetries.seconds,
            metavar="SECONDS",
            help="PostgreSQL: how long a statement waits for a lock, while others wait behind it; "
            "then all wait twice as long before the next attempt (default: %(default)s)",
        )
        parser.add_argument(
            "--lock-attempts",
            type=int,
            default=LockRetries.attempts,
            metavar="N",
            help="PostgreSQL: how often to try (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        seconds, attempts = options["lock_timeout"], options["lock_attempts"]
        change = partial(super().handle, *args, **options)
        if connection.vendor != "postgresql":
            change()
            return

        def report(attempt: int) -> None:
            self.stderr.write(
                f"Another transaction held a lock for {seconds:g} s: attempt {attempt} of {attempts} failed."
            )

        LockRetries(seconds=seconds, attempts=attempts, report=report).run(connection, change)
