"""Django's database router: queries inside ``replicas.read`` go to its replica, all others to the primary."""

from contextvars import ContextVar
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

#: The alias of the replica that the running ``replicas.read`` uses; None outside.
current_replica: Final[ContextVar[str | None]] = ContextVar("current_replica", default=None)


class ReplicaRouter:
    """Routes queries; ``settings.DATABASE_ROUTERS`` names it."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Return the alias of the database to read from; None leaves it to Django."""
        return current_replica.get() or self.db_for_write(model, **hints)

    def db_for_write(self, _: type[Model], **hints: Any) -> str | None:
        """Return the primary for what belongs to a row from a replica; None leaves it to Django."""
        state = getattr(hints.get("instance"), "_state", None)
        return DEFAULT_DB_ALIAS if _is_replica(getattr(state, "db", None)) else None

    def allow_relation(self, first: Model, second: Model, **_: Any) -> bool | None:
        """Return True for rows of replicas, which are the primary's rows."""
        databases = (first._state.db, second._state.db)  # noqa: SLF001 - Django's documentation reads it
        return True if any(map(_is_replica, databases)) else None

    def allow_migrate(self, alias: str, *_: Any, **__: Any) -> bool | None:
        """Return False for replicas, which get the primary's schema."""
        return False if _is_replica(alias) else None


def _is_replica(alias: str | None) -> bool:
    return alias in settings.DATABASE_REPLICAS
