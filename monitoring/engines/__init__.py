"""What an engine tells of itself: a module for each, with one function for one query, giving plain rows.

Both modules have the functions of ``Engine``; what an engine cannot tell is None or an empty list.
"""

from typing import Any, Protocol, cast

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.engines import postgresql, sqlite

#: A row of figures, by name.
Row = dict[str, Any]


class Engine(Protocol):
    """What every engine is asked; ``thorough`` is for what takes longer than a page may wait."""

    def tables(
        self, connection: BaseDatabaseWrapper, names: tuple[str, ...], *, thorough: bool = False
    ) -> list[Row]:
        """Return size and upkeep of tables, partitions added to their parent's."""

    def table_indexes(
        self, connection: BaseDatabaseWrapper, names: tuple[str, ...], *, thorough: bool = False
    ) -> list[Row]:
        """Return the indexes of tables: their size, validity and use."""

    def server(self, connection: BaseDatabaseWrapper) -> Row:
        """Return figures of the whole database."""

    def sessions(self, connection: BaseDatabaseWrapper, /) -> list[Row]:
        """Return sessions that run long, are blocked, or are idle in a transaction."""

    def connections(self, connection: BaseDatabaseWrapper, /) -> Row:
        """Return how many connections there are, by state, and may be."""

    def statements(self, connection: BaseDatabaseWrapper, /) -> list[Row] | None:
        """Return the statements that took the most time, or None where the engine does not count."""

    def replication(self, connection: BaseDatabaseWrapper, /) -> list[Row] | None:
        """Return how far each replica is behind, or None where there can be none."""

    def place(self, connection: BaseDatabaseWrapper, /) -> Row:
        """Return the ``folder`` on this machine that the database is in, or None and the ``reason``."""

    def partitions(self, connection: BaseDatabaseWrapper, /) -> list[Row] | None:
        """Return the ranges of partitioned tables, or None where the engine has no partitions."""


def of(connection: BaseDatabaseWrapper) -> Engine:
    """Return the module that knows the connection's engine."""
    return cast("Engine", postgresql if connection.vendor == "postgresql" else sqlite)
