"""Django's PostgreSQL engine, with the cache told of every commit."""

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from orchestrator.cache.transactions import CoherentTransactions


class DatabaseWrapper(CoherentTransactions, base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    def may_begin(self) -> bool:
        """Tell whether a statement can be made a transaction of its own."""
        return bool(self.connection.info.transaction_status == TransactionStatus.IDLE)
