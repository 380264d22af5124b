"""What commands require of the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connection

from monitoring.formatting import first_line
from monitoring.readiness import unapplied_migrations


@contextmanager
def migrated_database() -> Iterator[None]:
    """Check that the database is migrated, and report its errors inside the block as a ``CommandError``.

    Raises:
        CommandError: with a message of one line and exit status 2.
    """
    try:
        if unapplied_migrations(connection):
            raise CommandError("The database is not migrated; run `manage.py migrate` first.", returncode=2)
        yield
    except (DatabaseError, InterfaceError, ImproperlyConfigured) as error:
        raise CommandError(f"The database is not available: {first_line(error)}", returncode=2) from error
