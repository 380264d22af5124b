"""`manage.py migrate`: Django's command, which on PostgreSQL gives way to writers."""

from argparse import ArgumentTypeError
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from orchestrator.db.lock_retries import may_succeed_later, session_lock_timeout, with_retries

GAVE_UP: Final = (
    "A transaction still holds a lock that the migration needs. What was applied stays; run migrate again "
    "when the transaction has ended. docs/operations.md shows how to find it."
)

#: How long a statement waits for a lock by default, and how often the command tries.
LOCK_TIMEOUT_SECONDS: Final = 2.0
LOCK_ATTEMPTS: Final = 30
#: Others have this multiple of the time that they may have waited.
_PAUSE_FACTOR: Final = 2

#: The largest lock_timeout of PostgreSQL, which counts milliseconds, is a little more than this.
MAX_LOCK_TIMEOUT_SECONDS: Final = 2_147_483
MIN_LOCK_TIMEOUT_SECONDS: Final = 0.001


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=_lock_timeout,
            default=LOCK_TIMEOUT_SECONDS,
            metavar="SECONDS",
            help="PostgreSQL: how long a statement waits for a lock, while others wait behind it; "
            "then all wait twice as long before the next attempt (default: %(default)s)",
        )
        parser.add_argument(
            "--lock-attempts",
            type=_lock_attempts,
            default=LOCK_ATTEMPTS,
            metavar="N",
            help="PostgreSQL: how often to try (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] in settings.DATABASE_REPLICAS:
            raise CommandError(f"{options['database']} is a read replica: migrate the database default.")
        connection = connections[options["database"]]
        seconds, attempts = options["lock_timeout"], options["lock_attempts"]
        change = partial(super().handle, *args, **options)
        if connection.vendor != "postgresql":
            change()
            return

        def report(number: int) -> None:
            if options["verbosity"]:
                self.stdout.write("")  # ends the line "Applying …"
            self.stderr.write(
                f"Another transaction held a lock for {seconds:g} s: attempt {number} of {attempts} failed."
            )

        def attempt(seconds: float) -> None:
            with session_lock_timeout(connection, seconds):
                change()

        try:
            with_retries(attempt, [seconds] * attempts, seconds * _PAUSE_FACTOR, report)
        except OperationalError as error:
            if not may_succeed_later(error):
                raise
            raise CommandError(GAVE_UP) from error


def _lock_timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if seconds == 0 or MIN_LOCK_TIMEOUT_SECONDS <= seconds <= MAX_LOCK_TIMEOUT_SECONDS:
        return seconds
    raise ArgumentTypeError(
        f"{text!r} is not allowed; allowed: a number of seconds from {MIN_LOCK_TIMEOUT_SECONDS} to "
        f"{MAX_LOCK_TIMEOUT_SECONDS}, or 0 to wait without a limit"
    )


def _lock_attempts(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not allowed; allowed: a whole number from 1")
