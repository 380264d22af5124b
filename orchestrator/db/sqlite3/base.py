"""Django's SQLite engine: the cache is told of every commit, and triggers outlive their table's changes."""

from django.db.backends.sqlite3 import base

from orchestrator.cache.transactions import CoherentTransactions
from orchestrator.db.sqlite3.schema import DatabaseSchemaEditor


class DatabaseWrapper(CoherentTransactions, base.DatabaseWrapper):
    """A connection to SQLite."""

    SchemaEditorClass = DatabaseSchemaEditor
