"""Django's PostgreSQL engine, with the cache told of every commit."""

from django.db.backends.postgresql import base

from orchestrator.cache.transactions import CoherentTransactions


class DatabaseWrapper(CoherentTransactions, base.DatabaseWrapper):
    """A connection to PostgreSQL."""
