"""Django's SQLite engine with the cache's commit hook, a write queue and triggers that survive migrations."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import uuid4

from django.db.backends.sqlite3 import base

from orchestrator.cache.commit_hook import CommitHookMixin
from orchestrator.db.sqlite3.schema import DatabaseSchemaEditor
from orchestrator.db.sqlite3.write_queue import QueuedWritesMixin


class FetchAheadCursor(base.SQLiteCursorWrapper):
    """A cursor that can fetch the rows of a statement in advance."""

    _fetched: Iterator[Any] | None = None

    def fetch_ahead(self) -> None:
        """Fetch all rows of the last statement; the fetch methods return them later."""
        if self.description is not None:
            self._fetched = iter(super().fetchall())

    def execute(self, query: str, params: Any = None) -> Any:
        """Execute a statement."""
        self._fetched = None
        return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        """Execute a statement for each of the parameters."""
        self._fetched = None
        return super().executemany(query, param_list)

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        return super().fetchone() if self._fetched is None else next(self._fetched, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows, at most ``size`` of them."""
        size = self.arraysize if size is None else size
        return super().fetchmany(size) if self._fetched is None else list(islice(self._fetched, size))

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""
        return super().fetchall() if self._fetched is None else list(self._fetched)

    def __iter__(self) -> Any:
        """Iterate over the remaining rows."""
        return super().__iter__() if self._fetched is None else self._fetched


class DatabaseWrapper(CommitHookMixin, QueuedWritesMixin):
    """A connection to SQLite."""

    SchemaEditorClass = DatabaseSchemaEditor

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection that has PostgreSQL's function for random UUIDs, too."""
        connection = super().get_new_connection(conn_params)
        connection.create_function("gen_random_uuid", 0, lambda: uuid4().hex)
        return connection

    def create_cursor(self, name: str | None = None) -> FetchAheadCursor:
        """Return a new cursor; SQLite has no named cursors."""
        cursor: FetchAheadCursor = self.connection.cursor(factory=FetchAheadCursor)
        return cursor

    def commit_and_look(self) -> bool:
        """Commit a write. It holds the write lock and has taken all rows, so the outbox is empty."""
        super().commit_and_look()
        return True

    def can_begin(self) -> bool:
        """Return whether a statement can get its own transaction."""
        return not self.connection.in_transaction

    def make_committable(self, cursor: Any) -> None:
        """Fetch the rows of a statement that changed rows: SQLite refuses the COMMIT before that."""
        cursor.cursor.fetch_ahead()
