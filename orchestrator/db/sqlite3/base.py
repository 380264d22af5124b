"""Django's SQLite engine, with the cache told of every commit."""

from django.db.backends.sqlite3 import base

from orchestrator.cache.transactions import CoherentTransactions


class DatabaseWrapper(CoherentTransactions, base.DatabaseWrapper):
    """A connection to SQLite."""
