"""Creates partitions. Nobody waits for it: only the new table is locked, which nobody else can see."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.partitions.catalog import PARTITION, free_name
from orchestrator.partitions.short_locks import in_short_transaction

#: A statement that names a partition fires no trigger of ``events``: counts and cache would not notice it.
CREATE_GUARD: Final = """
    CREATE OR REPLACE FUNCTION refuse_write_to_partition() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'Write to events, not to its partition %', TG_TABLE_NAME
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END $$
"""
_GUARD: Final = """
    CREATE TRIGGER refuse_write BEFORE INSERT OR UPDATE OR DELETE ON {}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_write_to_partition()
"""

Bounds = tuple[datetime | None, datetime]


def create(connection: BaseDatabaseWrapper, bounds: Iterable[Bounds]) -> tuple[str, ...]:
    """Create and attach partitions, each in one transaction; return their names.

    Args:
        connection: to PostgreSQL, without an open transaction.
        bounds: where each begins, None for no beginning, and ends.
    """
    return tuple(_create(connection, lower, upper) for lower, upper in bounds)


def _create(connection: BaseDatabaseWrapper, lower: datetime | None, upper: datetime) -> str:
    name = free_name(connection, partition_name(lower, upper))
    in_short_transaction(connection, lambda cursor: attach_new(cursor, name, lower, upper))
    return name


def attach_new(cursor: Any, name: str, lower: datetime | None, upper: datetime) -> None:
    """Create a partition in the open transaction. ATTACH takes a weaker lock than CREATE … PARTITION OF."""
    cursor.execute(f"CREATE TABLE {name} (LIKE events INCLUDING ALL EXCLUDING INDEXES)")
    mark(cursor, name)
    cursor.execute(f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES {values(lower, upper)}")


def mark(cursor: Any, name: str) -> None:
    """Mark a table as a partition, and refuse statements that name it."""
    cursor.execute(f"COMMENT ON TABLE {name} IS '{PARTITION}'")
    cursor.execute(_GUARD.format(name))


def partition_name(lower: datetime | None, upper: datetime) -> str:
    """Return the name of a partition: its first day, or for one without a beginning, its end."""
    return f"events_{lower:%Y%m%d}" if lower else f"events_until_{upper:%Y%m%d}"


def values(lower: datetime | None, upper: datetime) -> str:
    """Return the SQL of a range."""
    begin = f"'{lower.isoformat()}'" if lower else "MINVALUE"
    return f"FROM ({begin}) TO ('{upper.isoformat()}')"
