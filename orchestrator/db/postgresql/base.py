"""Django's PostgreSQL engine with the cache's commit hook.

On a connection with the start option ``kyros.notices`` the triggers send the tags that a transaction
invalidates with the response to the statement, as a notice, so the hook need not query the outbox. The
triggers recognize Django's transactions by DEFERRABLE, which is free and has no effect on a transaction that
is not SERIALIZABLE and READ ONLY as well (https://www.postgresql.org/docs/18/sql-set-transaction.html).
"""

import json
from functools import partial
from typing import Any, Final

from django.db.backends.postgresql import base
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus

from orchestrator.cache.commit_hook import Changes, CommitHookMixin

#: The notice that the triggers send (``0004_cache.postgresql.sql``), with the transaction's id and tags.
_TAGS_NOTICE: Final = "kyros.invalidated"
_TRIGGERS_SEND_NOTICES: Final = (
    "SELECT current_setting('kyros.notices', true) = 'on'"
    " AND current_setting('default_transaction_deferrable') = 'off'"
    " AND EXISTS (SELECT FROM pg_trigger WHERE tgname = 'cache_outbox_notice' AND tgenabled <> 'D'"
    " AND tgrelid = to_regclass('cache_outbox'))"
)


class DatabaseWrapper(CommitHookMixin, base.DatabaseWrapper):
    """A connection to PostgreSQL that collects the triggers' notices."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._notice_handler = partial(_collect, self._changes)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, or one from the pool, and handle its notices."""
        connection = super().get_new_connection(conn_params)
        connection.add_notice_handler(self._notice_handler)
        return connection

    def _close(self) -> Any:
        if self.connection is not None:
            self.connection.remove_notice_handler(self._notice_handler)  # others get it from the pool
        return super()._close()  # type: ignore[misc]

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001 - Django's
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        with self.wrap_database_errors:
            self.connection.deferrable = None if autocommit else True

    def can_begin(self) -> bool:
        """Return whether a statement can get its own transaction."""
        return bool(self.connection.info.transaction_status == TransactionStatus.IDLE)

    def triggers_notify(self) -> bool:
        """Return whether the triggers send this connection the tags that its transactions invalidate."""
        with self.cursor() as cursor:
            cursor.execute(_TRIGGERS_SEND_NOTICES)
            return bool(cursor.fetchone()[0])


def _collect(changes: Changes, notice: Diagnostic) -> None:
    """Record a trigger's notice. It arrives before the statement that fired the trigger returns."""
    if notice.message_primary == _TAGS_NOTICE and notice.message_detail:
        detail = json.loads(notice.message_detail)
        changes.transaction = detail["transaction"]
        changes.tags.update(detail["tags"])
