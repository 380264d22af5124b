"""Django's PostgreSQL engine, with the cache told of every commit.

A connection that listens (``kyros.listens``, a start option) is told what its transactions make stale by the
triggers themselves, in the answer to the statement, and has nothing to ask the outbox for. The triggers know
Django's transactions by their being DEFERRABLE, which costs nothing to say and means nothing to those that
are not SERIALIZABLE and READ ONLY too (https://www.postgresql.org/docs/18/sql-set-transaction.html).
"""

import json
from functools import partial
from typing import Any, Final

from django.db.backends.postgresql import base
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus

from orchestrator.cache.commit_hook import CommitHookMixin

#: The triggers' message (``0004_cache.postgresql.sql``); its detail is the tags.
_STALE: Final = "kyros.stale"
_TELLS: Final = (
    "SELECT current_setting('kyros.listens', true) = 'on'"
    " AND current_setting('default_transaction_deferrable') = 'off'"
    " AND EXISTS (SELECT FROM pg_trigger WHERE tgname = 'outbox_tells' AND tgenabled <> 'D'"
    " AND tgrelid = to_regclass('cache_outbox'))"
)


class DatabaseWrapper(CommitHookMixin, base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listener = partial(_listen, self._changed_tags)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, or one of the pool, that is listened to."""
        connection = super().get_new_connection(conn_params)
        connection.add_notice_handler(self._listener)
        return connection

    def _close(self) -> Any:
        if self.connection is not None:
            self.connection.remove_notice_handler(self._listener)  # the pool lends it to others
        return super()._close()  # type: ignore[misc]

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001 - Django's
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        with self.wrap_database_errors:
            self.connection.deferrable = None if autocommit else True

    def can_begin(self) -> bool:
        """Return whether a transaction can begin."""
        return bool(self.connection.info.transaction_status == TransactionStatus.IDLE)

    def triggers_notify(self) -> bool:
        """Return whether the triggers send this connection its tags."""
        with self.cursor() as cursor:
            cursor.execute(_TELLS)
            return bool(cursor.fetchone()[0])


def _listen(stale: set[str], notice: Diagnostic) -> None:
    """Note what a trigger says; called before the statement that it is about returns."""
    if notice.message_primary == _STALE and notice.message_detail:
        stale.update(json.loads(notice.message_detail))
