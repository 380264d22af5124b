"""The hook around every COMMIT: a mixin for Django's database wrappers (``orchestrator.db``)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import in_flight, outbox
from orchestrator.cache.sql_inspection import changes_rows


class CommitHookMixin(BaseDatabaseWrapper):
    """A database wrapper that announces each transaction's changes to the cache before they can be seen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stale: set[str] = set()
        self._outbox_exists = False
        self._triggers_tell = False
        self.execute_wrappers.append(_announced)

    def invalidate(self, tags: Iterable[str]) -> None:
        """Note tags that the open transaction makes stale.

        Outside a transaction there is nothing to note: what was changed is committed, and was announced.
        """
        if not self.get_autocommit():
            self._stale.update(tags)

    def may_begin(self) -> bool:
        """Tell whether a statement can be made a transaction of its own: not in one that a cursor began."""
        raise NotImplementedError

    def make_committable(self, cursor: Any) -> None:
        """Do what the engine needs after a statement that changed rows before it can be committed."""

    def triggers_tell(self) -> bool:
        """Tell whether the triggers tell this connection what its transactions make stale, not the outbox."""
        return False

    def schema_editor(self, *args: Any, **kwargs: Any) -> Any:
        """Return Django's schema editor; what it does may add outbox and triggers or take them away."""
        self._outbox_exists = False
        return super().schema_editor(*args, **kwargs)

    def close(self) -> None:
        """Close the connection; what its transaction would have changed is rolled back."""
        self._stale.clear()
        super().close()

    def _commit(self) -> None:
        write = self._begin_write()
        try:
            super()._commit()  # type: ignore[misc]
        except IntegrityError:
            # A deferred constraint refused: rolled back for certain. After any other error nobody knows
            # whether it was committed, and the tags stay in flight until the writer expires.
            if write:
                write.end()
            raise
        if write:
            self._end_write(write)

    def _end_write(self, write: in_flight.Write) -> None:
        """Return when the write may be acknowledged."""
        if not write.end():
            write = write.moved_to_outbox(self)
            super()._commit()  # type: ignore[misc]
        if write.row_id is not None:
            write.wait_for_lease_expiry(self)
            # What the waiting asked has begun a transaction of its own on PostgreSQL.
            super()._commit()  # type: ignore[misc]

    def _rollback(self) -> None:
        self._stale.clear()
        super()._rollback()  # type: ignore[misc]

    def _begin_write(self) -> in_flight.Write | None:
        stale = frozenset(self._stale)
        self._stale.clear()
        self._look_at_the_database()
        if not self._outbox_exists:
            return None
        return in_flight.begin(self, stale, collecting=not self._triggers_tell)

    def _look_at_the_database(self) -> None:
        if not self._outbox_exists:
            self._outbox_exists = outbox.exists(self)
            self._triggers_tell = self._outbox_exists and self.triggers_tell()


def invalidate(using: str, *tags: str) -> None:
    """Note tags that the open transaction of a database makes stale.

    Args:
        using: the database's alias.
        tags: see ``orchestrator.cache.tags``.
    """
    connection = connections[using]
    if isinstance(connection, CommitHookMixin):
        connection.invalidate(tags)


def _announced(
    execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Mapping[str, Any]
) -> Any:
    """Execute a statement; one that changes rows on its own gets a transaction, and so the hook."""
    connection: CommitHookMixin = context["connection"]
    text = sql if isinstance(sql, str) else sql.as_string(connection.connection)
    if not changes_rows(text):
        return execute(sql, params, many, context)
    in_transaction = not connection.get_autocommit() or not connection.may_begin()
    if in_transaction or connections[connection.alias] is not connection:
        # What commits it has the hook, or else the triggers' rows wait in the outbox for the relay.
        return execute(sql, params, many, context)
    with transaction.atomic(using=connection.alias, savepoint=False):
        result = execute(sql, params, many, context)
        connection.make_committable(context["cursor"])
        return result
