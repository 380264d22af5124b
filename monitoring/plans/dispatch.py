"""The one door to the readers of plans."""

from contextlib import AbstractContextManager
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.index_catalog import Index
from monitoring.plans import postgresql, sqlite
from monitoring.plans.plan import Plan, Reader, Reading, Statement

_NOW: Final = {"postgresql": postgresql.reader, "sqlite": sqlite.reader}
_WITHOUT: Final = {"postgresql": postgresql.reader_without, "sqlite": sqlite.reader_without}


class UnknownEngineError(Exception):
    """A database of an engine whose plans cannot be read here."""


def require_known_engine(connection: BaseDatabaseWrapper) -> None:
    """Do nothing for a database whose plans can be read.

    Raises:
        UnknownEngineError: when its engine is neither SQLite nor PostgreSQL.
    """
    if connection.vendor not in _NOW:
        known = ", ".join(sorted(_NOW))
        raise UnknownEngineError(
            f"plans of the engine {connection.vendor!r} cannot be read; allowed: {known}"
        )


def reader(connection: BaseDatabaseWrapper, without: Index | None = None) -> AbstractContextManager[Reader]:
    """Return, for the length of a ``with`` block, what asks a database for plans.

    Args:
        connection: to the database.
        without: an index that the plans are made without; it stays, and nobody waits for anything.

    Raises:
        UnknownEngineError: when the engine is neither SQLite nor PostgreSQL.
        DatabaseError: when no plan can be made without an index, as on a replica.
    """
    require_known_engine(connection)
    if without is None:
        return _NOW[connection.vendor](connection)
    return _WITHOUT[connection.vendor](connection, without)


def read(connection: BaseDatabaseWrapper, statement: Statement, reading: Reading | None = None) -> Plan:
    """Return how the database answers a query; nothing is locked or changed, the session included.

    Args:
        connection: to the database.
        statement: the query, a ``SELECT``.
        reading: how to read its plan; by default what the planner freely chooses, without running it.

    Raises:
        UnknownEngineError: when the engine is neither SQLite nor PostgreSQL.
        OperationalError: when it takes longer than it may.
    """
    with reader(connection) as read_plan:
        return read_plan(statement, reading or Reading())
