"""Makes the plain table ``events`` a partitioned one, while clients read and write it.

The existing rows stay where they are: the table becomes the first partition. What takes long comes first and
blocks nobody: a unique index with ``created_at`` is built, which the key of a partitioned table needs, and a
CHECK constraint is validated, so that PostgreSQL attaches the table without a scan. Each step can be
repeated: a run that was killed is continued by the next one.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.partitions import creation
from orchestrator.partitions.catalog import free_name
from orchestrator.partitions.periods import boundary_after
from orchestrator.partitions.short_locks import in_short_transaction

_BOUND: Final = "ck_events_first_partition"
_KEY: Final = "ix_events_id_created_at"

#: The first partition ends so much later at least: until it is attached, no event may be newer.
_MIN_AHEAD: Final = timedelta(days=7)
#: With less time left, the conversion begins anew.
_MIN_LEFT: Final = timedelta(days=1)

_BOUND_SQL: Final = r"""
    SELECT (regexp_match(pg_get_constraintdef(oid), '< ''([^'']+)'''))[1]::timestamptz, convalidated
    FROM pg_constraint WHERE conrelid = to_regclass('events') AND conname = %s
"""
_KEY_IS_VALID: Final = """
    SELECT indisvalid FROM pg_index WHERE indrelid = to_regclass('events') AND indexrelid = to_regclass(%s)
"""
#: The statements that give another table of this name the same indexes, triggers, owner and rights, without
#: the primary key and the index of this module.
_COPIES: Final = """
    WITH plain AS (SELECT * FROM pg_class WHERE oid = to_regclass('events'))
    SELECT 1 AS part, pg_get_indexdef(indexrelid) FROM plain JOIN pg_index ON indrelid = oid
    WHERE NOT indisprimary AND indexrelid <> to_regclass(%s)
    UNION ALL
    SELECT 2, pg_get_triggerdef(pg_trigger.oid) FROM plain JOIN pg_trigger ON tgrelid = plain.oid
    WHERE NOT tgisinternal
    UNION ALL
    SELECT 3, format('ALTER TABLE events OWNER TO %%I', pg_get_userbyid(relowner)) FROM plain
    UNION ALL
    SELECT 4, format('GRANT %%s ON events TO %%s', privilege_type,
                     CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    FROM plain, aclexplode(relacl) WHERE grantee <> relowner
    ORDER BY part
"""
#: The statements that take the triggers, the primary key and the names of the indexes from the table.
_CLEARING: Final = """
    SELECT format('DROP TRIGGER %%I ON events', tgname) FROM pg_trigger
    WHERE tgrelid = to_regclass('events') AND NOT tgisinternal
    UNION ALL
    SELECT format('ALTER TABLE events DROP CONSTRAINT %%I', conname) FROM pg_constraint
    WHERE conrelid = to_regclass('events') AND contype = 'p'
    UNION ALL
    SELECT format('ALTER INDEX %%I RENAME TO %%I', relname, relname || %s)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = to_regclass('events') AND NOT indisprimary AND indexrelid <> to_regclass(%s)
"""


def is_begun(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a conversion was begun and has to be finished."""
    return bound(connection) is not None


def convert(connection: BaseDatabaseWrapper, now: datetime, period: str) -> str:
    """Convert the table; return the name of the partition with the existing rows.

    Args:
        connection: to PostgreSQL, in autocommit mode.
        now: the current time.
        period: see ``boundary_after``.

    Raises:
        TableIsLocked: if a transaction that uses the table does not end. The next call goes on.
    """
    _build_key(connection)
    upper = _validated_bound(connection, now, period)
    name = free_name(connection, f"events_until_{upper:%Y%m%d}")
    in_short_transaction(connection, lambda cursor: _replace(cursor, name, upper))
    return name


def first_upper(connection: BaseDatabaseWrapper, now: datetime, period: str) -> datetime:
    """Return where the first partition of a plain table will end.

    A conversion that was begun has decided it, unless that is too soon by now.
    """
    begun, newest = bound(connection), _newest(connection) or now
    if begun and begun[0] >= max(now + _MIN_LEFT, newest):
        return begun[0]
    return boundary_after(max(now + _MIN_AHEAD, newest), period)


def _build_key(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEY_IS_VALID, [_KEY])
        if (row := cursor.fetchone()) and row[0]:
            return
        if row:
            cursor.execute(f"DROP INDEX CONCURRENTLY {_KEY}")
        cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {_KEY} ON events (id, created_at)")


def _validated_bound(connection: BaseDatabaseWrapper, now: datetime, period: str) -> datetime:
    """Forbid events from some time on; return that time."""
    before, validated = bound(connection) or (None, False)
    upper = first_upper(connection, now, period)
    if before not in (None, upper):
        in_short_transaction(
            connection, lambda cursor: cursor.execute(f"ALTER TABLE events DROP CONSTRAINT {_BOUND}")
        )
    if before != upper:
        validated = False
        add = f"ADD CONSTRAINT {_BOUND} CHECK (created_at < '{upper.isoformat()}') NOT VALID"
        in_short_transaction(connection, lambda cursor: cursor.execute(f"ALTER TABLE events {add}"))
    if not validated:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE events VALIDATE CONSTRAINT {_BOUND}")
    return upper


def bound(connection: BaseDatabaseWrapper) -> tuple[datetime, bool] | None:
    """Return the time from which a begun conversion forbids events; None if none was begun.

    With it comes whether PostgreSQL has validated that no such event exists.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BOUND_SQL, [_BOUND])
        found: tuple[datetime, bool] | None = cursor.fetchone()
    return found


def _newest(connection: BaseDatabaseWrapper) -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(created_at) FROM events")
        newest: datetime | None = cursor.fetchone()[0]
    return newest


def _replace(cursor: Any, name: str, upper: datetime) -> None:
    """Rename the table, create the partitioned one in its place, and attach the old one to it."""
    cursor.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
    copies = _statements(cursor, _COPIES, [_KEY])
    for statement in _statements(cursor, _CLEARING, [name.removeprefix("events"), _KEY]):
        cursor.execute(statement)
    cursor.execute(f"ALTER TABLE events ADD CONSTRAINT {name}_pkey PRIMARY KEY USING INDEX {_KEY}")
    cursor.execute(f"ALTER TABLE events RENAME TO {name}")
    cursor.execute(
        f"CREATE TABLE events (LIKE {name} INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (created_at)"
    )
    cursor.execute(f"ALTER TABLE events DROP CONSTRAINT {_BOUND}, ADD PRIMARY KEY (id, created_at)")
    for statement in copies:
        cursor.execute(statement)
    cursor.execute(f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES {creation.values(None, upper)}")
    cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT {_BOUND}")
    cursor.execute(creation.CREATE_GUARD)
    creation.mark(cursor, name)


def _statements(cursor: Any, sql: str, parameters: list[str]) -> list[str]:
    cursor.execute(sql, parameters)
    return [row[-1] for row in cursor.fetchall()]
