"""The hook around every COMMIT: a mixin for Django's database wrappers (see ``orchestrator.db``)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import in_flight, outbox
from orchestrator.cache.sql_inspection import changes_rows


@dataclass
class Changes:
    """What is known of the open transaction.

    Args:
        tags: tags that it invalidates.
        transaction: its id; empty if it is not known.
    """

    tags: set[str] = field(default_factory=set)
    transaction: str = ""

    def clear(self) -> None:
        """Forget everything, at the transaction's end."""
        self.tags.clear()
        self.transaction = ""


class CommitHookMixin(BaseDatabaseWrapper):
    """A database wrapper that announces a transaction's changes to the cache before they are visible."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changes = Changes()
        self._outbox_exists = False
        self._triggers_notify = False
        self.saw_empty_outbox = False
        """Whether the request's last COMMIT found the outbox empty, and no statement has run since."""
        self.execute_wrappers.append(_in_transaction)

    def invalidate(self, tags: Iterable[str]) -> None:
        """Record tags that the open transaction invalidates.

        Outside a transaction this does nothing: the change is committed already, and was announced.
        """
        if not self.get_autocommit():
            self._changes.tags.update(tags)

    def can_begin(self) -> bool:
        """Return whether a transaction can begin: not inside one that a cursor began."""
        raise NotImplementedError

    def make_committable(self, cursor: Any) -> None:
        """Do what the engine needs between a statement that changed rows and its COMMIT."""

    def triggers_notify(self) -> bool:
        """Return whether the triggers send this connection its tags and append nothing to the outbox."""
        return False

    def commit_and_look(self) -> bool:
        """Commit a write that has taken its rows out of the outbox; return whether the outbox was empty.

        The look comes after every statement of the transaction. Where it would cost a query, there is none.
        """
        super()._commit()  # type: ignore[misc]
        return False

    def close_if_unusable_or_obsolete(self) -> None:
        """Do as Django does before and after each request, and forget the last request's look."""
        self.saw_empty_outbox = False
        super().close_if_unusable_or_obsolete()

    def schema_editor(self, *args: Any, **kwargs: Any) -> Any:
        """Return Django's schema editor. Its changes may create or drop the outbox and the triggers."""
        self._outbox_exists = False
        return super().schema_editor(*args, **kwargs)

    def close(self) -> None:
        """Close the connection, which rolls an open transaction back."""
        self._changes.clear()
        super().close()

    def _commit(self) -> None:
        write = self._begin_write()
        looked = False
        try:
            if write and write.writer:
                looked = self.commit_and_look()
            else:
                super()._commit()  # type: ignore[misc]
        except IntegrityError:
            # A deferred constraint failed, so the transaction was rolled back. After any other error it may
            # have been committed: then the tags stay in flight until it is certainly over.
            if write:
                write.end()
            raise
        if write:
            self._end_write(write)
        self.saw_empty_outbox = looked

    def _end_write(self, write: in_flight.Write) -> None:
        """Return when the write may be acknowledged."""
        write.end()
        if write.row_id is not None:
            write.wait_until_seen(self)
            # On PostgreSQL the queries of the wait have begun a transaction.
            super()._commit()  # type: ignore[misc]

    def _rollback(self) -> None:
        self._changes.clear()
        super()._rollback()  # type: ignore[misc]

    def _begin_write(self) -> in_flight.Write | None:
        known, transaction = frozenset(self._changes.tags), self._changes.transaction
        self._changes.clear()
        self._check_outbox()
        if not self._outbox_exists:
            return None
        return in_flight.begin(self, known, transaction=transaction, collecting=not self._triggers_notify)

    def _check_outbox(self) -> None:
        if not self._outbox_exists:
            self._outbox_exists = outbox.exists(self)
            self._triggers_notify = self._outbox_exists and self.triggers_notify()


def invalidate(using: str, *tags: str) -> None:
    """Record tags that the open transaction of a database invalidates.

    Args:
        using: the database's alias.
        tags: see ``orchestrator.cache.tags``.
    """
    connection = connections[using]
    if isinstance(connection, CommitHookMixin):
        connection.invalidate(tags)


def _in_transaction(
    execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Mapping[str, Any]
) -> Any:
    """Execute a statement. One that changes rows outside a transaction gets one, and thereby the hook."""
    connection: CommitHookMixin = context["connection"]
    connection.saw_empty_outbox = False
    text = sql if isinstance(sql, str) else sql.as_string(connection.connection)
    if not changes_rows(text):
        return execute(sql, params, many, context)
    in_transaction = not connection.get_autocommit() or not connection.can_begin()
    if in_transaction or connections[connection.alias] is not connection:
        # Either its COMMIT has the hook, or the triggers' outbox rows wait for the relay.
        return execute(sql, params, many, context)
    with transaction.atomic(using=connection.alias, savepoint=False):
        result = execute(sql, params, many, context)
        connection.make_committable(context["cursor"])
        return result
