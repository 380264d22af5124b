"""Django's PostgreSQL engine with the cache's commit hook.

On a connection with the start option ``kyros.notices`` the triggers send the tags that a transaction
invalidates with the response to the statement, as a notice, so the hook need not query the outbox. The
triggers recognize Django's transactions by DEFERRABLE, which is free and has no effect on a transaction that
is not SERIALIZABLE and READ ONLY as well (https://www.postgresql.org/docs/18/sql-set-transaction.html).
"""

import json
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, Final, LiteralString

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg.errors import Diagnostic, _WaitTimeout
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from orchestrator.cache import outbox
from orchestrator.cache.commit_hook import Changes, CommitHookMixin
from orchestrator.db.database_breaker import DatabaseBreaker, replica_wait

#: The notice that the triggers send (``0004_cache.postgresql.sql``), with the transaction's id and tags.
_TAGS_NOTICE: Final = "kyros.invalidated"
_TRIGGERS_SEND_NOTICES: Final = (
    "SELECT current_setting('kyros.notices', true) = 'on'"
    " AND current_setting('default_transaction_deferrable') = 'off'"
    " AND EXISTS (SELECT FROM pg_trigger WHERE tgname = 'cache_outbox_notice' AND tgenabled <> 'D'"
    " AND tgrelid = to_regclass('cache_outbox'))"
)

#: Seconds that a request to cancel a statement may take. A frozen server does not read it.
_CANCEL_SECONDS: Final = 0.2


@cache
def _breaker_of(alias: str) -> DatabaseBreaker:
    """Return the breaker that all connections to a database share."""
    if alias in settings.DATABASE_REPLICAS:
        return DatabaseBreaker(psycopg.OperationalError, replica_wait, f"The replica {alias}")
    return DatabaseBreaker(psycopg.OperationalError)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection on which the web server's threads wait for a bounded time only."""

    breaker: DatabaseBreaker | None = None
    _committing = False
    _statement_begins = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Run a generator that sends a statement and receives the response."""
        wait = partial(super().wait, gen, interval)
        if self.breaker is None or timeout is not None:
            return wait(timeout)
        try:
            return self.breaker.wait(wait, _WaitTimeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self._abandon()
            raise

    @contextmanager
    def begin_with_statement(self) -> Iterator[str]:
        """Let the next statement begin the transaction, which saves the round trip of psycopg's own BEGIN.

        Yields:
            What the statement must begin with; empty if it needs no BEGIN.
        """
        idle = self.pgconn.transaction_status == TransactionStatus.IDLE
        self._statement_begins = idle and not self.autocommit
        try:
            yield f"{self._get_tx_start_command().decode()}; " if self._statement_begins else ""
        finally:
            self._statement_begins = False

    def _start_query(self) -> Any:
        # psycopg's own hook. If a later version did not call it, the server would warn of a second BEGIN.
        if not self._statement_begins:
            yield from super()._start_query()

    def commit(self) -> None:
        """Commit the open transaction."""
        self._committing = True
        try:
            super().commit()
        finally:
            self._committing = False

    def commit_after(self, query: LiteralString) -> Any:
        """Commit the open transaction after a last query, in one round trip; return the query's row."""
        self._committing = True
        try:
            with psycopg.Cursor(self) as cursor:
                return cursor.execute(f"{query}; COMMIT", prepare=False).fetchone()
        finally:
            self._committing = False

    def _abandon(self) -> None:
        """Close the connection: a late response must not be taken for that to the next statement."""
        # The server would go on waiting for a lock. A COMMIT that waits for a standby must not end early.
        if not self._committing:
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL_SECONDS)
        self.pgconn.finish()


class DatabaseWrapper(CommitHookMixin, base.DatabaseWrapper):
    """A connection to PostgreSQL that collects the triggers' notices, and has a circuit breaker."""

    # The driver that connects without a pool.
    Database = SimpleNamespace(**{**vars(psycopg), "connect": BoundedConnection.connect})  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._notice_handler = partial(_collect, self._changes)
        self._breaker = _breaker_of(self.alias)
        if pool := self.settings_dict["OPTIONS"].get("pool"):
            pool.setdefault("connection_class", BoundedConnection)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, or one from the pool, and handle its notices."""
        connection = self._pooled() if self.pool else self._connect(conn_params)
        connection.breaker = self._breaker
        connection.add_notice_handler(self._notice_handler)
        return connection

    def _connect(self, conn_params: dict[str, Any]) -> Any:
        get_new_connection = super().get_new_connection

        def connect(_: float | None) -> Any:  # the connection has a time-out of its own
            try:
                return get_new_connection(conn_params)
            except psycopg.OperationalError:
                self._breaker.failed_to_connect()
                raise

        return self._breaker.wait(connect, _WaitTimeout)

    def _pooled(self) -> Any:
        """Return a connection of the pool; close those that the server has closed."""
        self.pool.open()
        while True:
            connection = self._breaker.wait(self.pool.getconn, PoolTimeout, responds=False)
            if not _is_readable(connection):
                return connection
            connection.close()
            self.pool.putconn(connection)

    def _close(self) -> Any:
        if self.connection is not None:
            self.connection.remove_notice_handler(self._notice_handler)  # others get it from the pool
        return super()._close()  # type: ignore[misc]

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001 - Django's
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        with self.wrap_database_errors:
            self.connection.deferrable = None if autocommit else True

    def commit_and_look(self) -> bool:
        """Commit a write; return whether the outbox was empty just before."""
        if not self._triggers_notify or self.connection.info.transaction_status != TransactionStatus.INTRANS:
            return super().commit_and_look()
        with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
            (newest,) = self.connection.commit_after(outbox.SELECT_LAST_ID)
            return newest is None

    def execute_first(self, cursor: Any, statements: str, parameters: Sequence[Any]) -> None:
        """Execute statements, and the BEGIN if they are the open transaction's first, in one round trip."""
        with self.connection.begin_with_statement() as begin:
            cursor.execute(begin + statements, parameters)
        if begin:
            cursor.nextset()

    def can_begin(self) -> bool:
        """Return whether a statement can get its own transaction."""
        return bool(self.connection.info.transaction_status == TransactionStatus.IDLE)

    def triggers_notify(self) -> bool:
        """Return whether the triggers send this connection the tags that its transactions invalidate."""
        with self.cursor() as cursor:
            cursor.execute(_TRIGGERS_SEND_NOTICES)
            return bool(cursor.fetchone()[0])


def _is_readable(connection: BoundedConnection) -> bool:
    """Return whether an idle connection has something to read: nothing but its end is sent to it.

    Unlike a statement, this needs no response of the server.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _collect(changes: Changes, notice: Diagnostic) -> None:
    """Record a trigger's notice. It arrives before the statement that fired the trigger returns."""
    if notice.message_primary == _TAGS_NOTICE and notice.message_detail:
        detail = json.loads(notice.message_detail)
        changes.transaction = detail["transaction"]
        changes.tags.update(detail["tags"])
