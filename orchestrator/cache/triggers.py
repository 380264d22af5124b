"""The triggers that fill the outbox: whether a database has them, and how they come and go with a setting.

Without them Django's own statements are announced by their text (``orchestrator.cache.transactions``): writes
cost less, but each makes all answers about its table stale, and what goes past Django is not seen at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache import outbox

# Where each engine tells of our triggers.
_OURS: Final = {
    "postgresql": (
        "FROM pg_trigger WHERE tgname LIKE 'cache\\_%' AND tgrelid IN (to_regclass('jobs'),"
        " to_regclass('events'), to_regclass('tasks'), to_regclass('users'))"
    ),
    "sqlite": "FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'cache\\_%' ESCAPE '\\'",
}
# All or nothing: one that is missing leaves changes of its kind untold.
_ACTIVE: Final = {
    "postgresql": f"SELECT count(*) = 16 {_OURS['postgresql']} AND tgenabled <> 'D'",
    "sqlite": f"SELECT count(*) = 12 {_OURS['sqlite']}",
}
_SWITCHED_OFF: Final = {
    "postgresql": f"SELECT count(*) > 0 {_OURS['postgresql']} AND tgenabled = 'D'",
    "sqlite": "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'cache_triggers_parked'",
}
_TO_SWITCH: Final = (
    f"SELECT format('ALTER TABLE %s {{}} TRIGGER %I', tgrelid::regclass, tgname) {_OURS['postgresql']}"
)
# SQLite can disable no trigger: their texts are kept here until they are made again.
_PARK: Final = f"CREATE TABLE cache_triggers_parked AS SELECT name, sql {_OURS['sqlite']}"
_TO_PARK: Final = "SELECT 'DROP TRIGGER ' || name FROM cache_triggers_parked"
_TO_UNPARK: Final = "SELECT sql FROM cache_triggers_parked"


def active(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether the database's triggers tell of every change."""
    return bool(_answer(connection, _ACTIVE))


def before_migrate(using: str, plan: Sequence[Any], **_: Any) -> None:
    """Switch the triggers on for migrations, which may alter them: a receiver of ``pre_migrate``."""
    connection = connections[using]
    if plan and _answer(connection, _SWITCHED_OFF):
        _switch(connection, on=True)


def after_migrate(using: str, plan: Sequence[Any] | None = None, **_: Any) -> None:
    """Switch the triggers as ``CACHE_TRIGGERS`` says: a receiver of ``post_migrate``.

    Processes that are connected already go on as they were: ``migrate`` comes before the service's start.
    """
    connection = connections[using]
    if plan is None or not outbox.exists(connection):  # a flush, or not migrated so far
        return
    if _answer(connection, _SWITCHED_OFF) == settings.CACHE_TRIGGERS:
        _switch(connection, on=settings.CACHE_TRIGGERS)


def _switch(connection: BaseDatabaseWrapper, *, on: bool) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _run_all(cursor, _TO_SWITCH.format("ENABLE" if on else "DISABLE"))
        elif on:
            _run_all(cursor, _TO_UNPARK)
            cursor.execute("DROP TABLE cache_triggers_parked")
        else:
            cursor.execute(_PARK)
            _run_all(cursor, _TO_PARK)


def _run_all(cursor: Any, query: str) -> None:
    """Run the statements that a query returns."""
    cursor.execute(query)
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)


def _answer(connection: BaseDatabaseWrapper, query: Mapping[str, str]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(query[connection.vendor])
        return bool(cursor.fetchone()[0])
