"""Query plans of SQLite and PostgreSQL, read from EXPLAIN into one common ``Plan``."""

from contextlib import AbstractContextManager

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.index_catalog import Index
from monitoring.plans import postgresql, sqlite
from monitoring.plans.plan import PRIMARY_KEY, Plan, Reader, Reading, Sort, Statement

__all__ = ["PRIMARY_KEY", "Plan", "Reader", "Reading", "Sort", "Statement", "reader"]


def reader(connection: BaseDatabaseWrapper, without: Index | None = None) -> AbstractContextManager[Reader]:
    """Return a context manager that yields a plan reader. Nothing is locked or changed.

    Args:
        connection: to the database.
        without: plan as if this index did not exist.

    Raises:
        DatabaseError: if the database cannot plan without an index, as a replica cannot.
    """
    if connection.vendor == "postgresql":
        return postgresql.reader(connection, without)
    return sqlite.reader(connection, without)
