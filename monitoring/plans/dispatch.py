"""Chooses the plan reader of a database's engine."""

from contextlib import AbstractContextManager
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.index_catalog import Index
from monitoring.plans import postgresql, sqlite
from monitoring.plans.plan import Plan, Reader, Reading, Statement

_READERS: Final = {"postgresql": postgresql.reader, "sqlite": sqlite.reader}
_READERS_WITHOUT: Final = {"postgresql": postgresql.reader_without, "sqlite": sqlite.reader_without}


class UnknownEngineError(Exception):
    """Plans of this database engine cannot be read."""


def require_known_engine(connection: BaseDatabaseWrapper) -> None:
    """Check that the plans of a database can be read.

    Raises:
        UnknownEngineError: if its engine is neither SQLite nor PostgreSQL.
    """
    if connection.vendor not in _READERS:
        known = ", ".join(sorted(_READERS))
        raise UnknownEngineError(
            f"plans of the engine {connection.vendor!r} cannot be read; allowed: {known}"
        )


def reader(connection: BaseDatabaseWrapper, without: Index | None = None) -> AbstractContextManager[Reader]:
    """Return a context manager that yields a plan reader.

    Args:
        connection: to the database.
        without: plan as if this index did not exist; it stays, and nothing is locked.

    Raises:
        UnknownEngineError: if the engine is neither SQLite nor PostgreSQL.
        DatabaseError: if the database cannot plan without an index, as a replica cannot.
    """
    require_known_engine(connection)
    if without is None:
        return _READERS[connection.vendor](connection)
    return _READERS_WITHOUT[connection.vendor](connection, without)


def read(connection: BaseDatabaseWrapper, statement: Statement, reading: Reading | None = None) -> Plan:
    """Return the plan of a query. Nothing is locked or changed, not even a setting of the session.

    Args:
        connection: to the database.
        statement: a ``SELECT``.
        reading: how to read the plan; by default the planner's free choice, without running the query.

    Raises:
        UnknownEngineError: if the engine is neither SQLite nor PostgreSQL.
        OperationalError: if it exceeds its time limit.
    """
    with reader(connection) as read_plan:
        return read_plan(statement, reading or Reading())
