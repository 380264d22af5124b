"""`manage.py migrate`: Django's command, which on PostgreSQL gives way to writers."""

from functools import partial
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from orchestrator.db.lock_retries import LockRetries, may_succeed_later

GAVE_UP: Final = (
    "A transaction still holds a lock that the migration needs. What was applied stays; run migrate again "
    "when the transaction has ended. docs/operations.md shows how to find it."
)


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
            if options["verbosity"]:
                self.stdout.write("")  # ends the line "Applying …"
            self.stderr.write(
                f"Another transaction held a lock for {seconds:g} s: attempt {attempt} of {attempts} failed."
            )

        try:
            LockRetries(seconds=seconds, attempts=attempts, report=report).run(connection, change)
        except OperationalError as error:
            if not may_succeed_later(error):
                raise
            raise CommandError(GAVE_UP) from error
