"""Django's SQLite engine: the cache is told of every commit, and triggers outlive their table's changes."""

from django.db.backends.sqlite3 import base

from orchestrator.cache.statements import returns_rows
from orchestrator.cache.transactions import CoherentTransactions
from orchestrator.db.sqlite3.schema import DatabaseSchemaEditor


class DatabaseWrapper(CoherentTransactions, base.DatabaseWrapper):
    """A connection to SQLite."""

    SchemaEditorClass = DatabaseSchemaEditor

    def may_begin(self, sql: str) -> bool:
        """Tell whether a statement can be made a transaction of its own.

        Not if it has rows to return: SQLite would refuse the COMMIT until they were fetched.
        """
        return not (self.connection.in_transaction or returns_rows(sql))
