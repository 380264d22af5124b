"""The database that a command reports on."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connections

from monitoring.readiness import unapplied_migrations


@contextmanager
def reported_database(alias: str) -> Iterator[str]:
    """Lend a database to report on, for the time of the block.

    Args:
        alias: its name in the settings.

    Raises:
        CommandError: when there is none of this name, it cannot be reached or it is not migrated; one line,
            and the exit status 2.
    """
    if alias not in connections.databases:
        known = ", ".join(connections.databases)
        raise CommandError(f"--database {alias!r} cannot be used; allowed: {known}", returncode=2)
    try:
        if connections[alias].vendor in ("sqlite", "postgresql"):
            _require_migrated(alias)
        yield alias
    except (DatabaseError, InterfaceError, ImproperlyConfigured) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CommandError(f"The database {alias!r} cannot be asked: {reason}", returncode=2) from error


def _require_migrated(alias: str) -> None:
    if unapplied_migrations(connections[alias]):
        raise CommandError(
            f"The database {alias!r} is not migrated; run `manage.py migrate` first.", returncode=2
        )
