"""The one door to the readers of plans."""

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.plans import postgresql, sqlite
from monitoring.plans.plan import Plan, Reading, Statement

_READERS = {"postgresql": postgresql.read, "sqlite": sqlite.read}


class UnknownEngineError(Exception):
    """A database of an engine whose plans cannot be read here."""


def require_known_engine(connection: BaseDatabaseWrapper) -> None:
    """Do nothing for a database whose plans can be read.

    Raises:
        UnknownEngineError: when its engine is neither SQLite nor PostgreSQL.
    """
    if connection.vendor not in _READERS:
        known = ", ".join(sorted(_READERS))
        raise UnknownEngineError(
            f"plans of the engine {connection.vendor!r} cannot be read; allowed: {known}"
        )


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
    require_known_engine(connection)
    return _READERS[connection.vendor](connection, statement, reading or Reading())
