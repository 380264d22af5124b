"""Statistics of the database engine: one module for each engine, one function for each query, plain rows.

Both modules have the functions of ``Engine``. What an engine does not provide is None or an empty list.
"""

from typing import Any, Protocol, cast

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.engines import postgresql, sqlite

#: A row of figures, by name.
Row = dict[str, Any]


class Engine(Protocol):
    """The functions of both engines. ``thorough`` also measures what takes too long for a page."""

    def tables(
        self, connection: BaseDatabaseWrapper, names: tuple[str, ...], *, thorough: bool = False
    ) -> list[Row]:
        """Return size and maintenance of tables. Partitions are added to their parent."""

    def table_indexes(
        self, connection: BaseDatabaseWrapper, names: tuple[str, ...], *, thorough: bool = False
    ) -> list[Row]:
        """Return size, validity and use of the tables' indexes."""

    def server(self, connection: BaseDatabaseWrapper) -> Row:
        """Return figures of the whole database."""

    def sessions(self, connection: BaseDatabaseWrapper, /) -> list[Row]:
        """Return sessions that run long, are blocked, or are idle in a transaction."""

    def connections(self, connection: BaseDatabaseWrapper, /) -> Row:
        """Return the number of connections by state, and their limit."""

    def statements(self, connection: BaseDatabaseWrapper, /) -> list[Row] | None:
        """Return the statements with the largest total time; None if the engine does not count them."""

    def replication(self, connection: BaseDatabaseWrapper, /) -> list[Row] | None:
        """Return the lag of each replica; None where there can be none."""

    def directory(self, connection: BaseDatabaseWrapper, /) -> Row:
        """Return the database's ``directory`` on this machine, or None and the ``reason``."""


def of(connection: BaseDatabaseWrapper) -> Engine:
    """Return the module of the connection's engine."""
    return cast("Engine", postgresql if connection.vendor == "postgresql" else sqlite)
