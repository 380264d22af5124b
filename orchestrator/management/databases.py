"""Checks and error messages of commands that use a database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connections

from monitoring.readiness import unapplied_migrations


@contextmanager
def reported_database(alias: str) -> Iterator[str]:
    """Check that a database is known and migrated; report its errors inside the block as a ``CommandError``.

    Args:
        alias: its alias in the settings.

    Raises:
        CommandError: if the alias is unknown, or the database is not migrated or not available. The message
            is one line and the exit status is 2.
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
        raise CommandError(f"The database {alias!r} is not available: {reason}", returncode=2) from error


def _require_migrated(alias: str) -> None:
    if unapplied_migrations(connections[alias]):
        raise CommandError(
            f"The database {alias!r} is not migrated; run `manage.py migrate` first.", returncode=2
        )
