"""Empties the database after a test that commits, and fails the test if it has created or dropped a table.

Django's ``flush`` truncates every table and creates the permissions of every model again, which takes a tenth
of a second. Most tests leave a handful of rows; deleting them is much faster. Neither undoes DDL: the next
tests of this process would use the changed tables.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.management.color import no_style
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

#: Tables that only ``migrate`` fills.
KEPT_TABLES = frozenset({"django_migrations", "django_content_type", "auth_permission"})
#: Size in bytes from which a PostgreSQL table is truncated: scans still read deleted rows.
TRUNCATE_FROM_BYTES = 1_000_000


def delete_rows_instead_of_flush() -> None:
    """Replace Django's ``flush`` after tests that commit, and compare the tables with those before."""
    TransactionTestCase._fixture_setup = classmethod(_remember_tables)  # noqa: SLF001 - before the test
    TransactionTestCase._fixture_teardown = _clean_up  # noqa: SLF001 - where Django calls flush


def _remember_tables(case: type[TransactionTestCase]) -> None:
    case.tables_before = _tables(case)


def _clean_up(case: TransactionTestCase) -> None:
    _empty_all(case)
    if changed := _tables(case) ^ case.tables_before:
        pytest.fail(
            "This test has created or dropped tables, which the next tests of this process would notice: "
            f"{', '.join(sorted(changed))}. Let it use a copy of the database (tests/partitions/conftest.py)."
        )


def _tables(case: TransactionTestCase | type[TransactionTestCase]) -> set[str]:
    """Return the names of all tables, including partitions, which ``table_names()`` leaves out.

    SQLite's own tables do not count: ANALYZE creates some.
    """
    names: set[str] = set()
    for alias in case._databases_names(include_mirrors=False):  # noqa: SLF001 - as Django does there
        with connections[alias].cursor() as cursor:
            names.update(table.name for table in connections[alias].introspection.get_table_list(cursor))
    return {name for name in names if not name.startswith("sqlite_")}


def _empty_all(case: TransactionTestCase) -> None:
    for alias in case._databases_names(include_mirrors=False):  # noqa: SLF001 - as Django does there
        connection = connections[alias]
        if connection.vendor == "postgresql":
            _empty_postgres(connection)
        else:
            tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
            tables += ["login_windows", "stream_tickets"]  # they have no model and no trigger
            statements = connection.ops.sql_flush(no_style(), sorted(set(tables) - KEPT_TABLES))
            connection.ops.execute_sql_flush(statements)


def _empty_postgres(connection: BaseDatabaseWrapper) -> None:
    # This includes the tables that triggers fill. Triggers are off here, or they would fill them again.
    tables = sorted(set(connection.introspection.table_names()) - KEPT_TABLES)
    # Not through Django: its commit hook would invalidate the cache.
    with connection.connection.transaction(), connection.connection.cursor() as cursor:
        # Wait for other writers: a COMMIT of a killed process may still be running.
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        nonempty = _sizes_of_nonempty(cursor, tables)
        if large := [table for table, size in nonempty.items() if size >= TRUNCATE_FROM_BYTES]:
            cursor.execute(f"TRUNCATE {', '.join(large)} CASCADE")
        for table in nonempty:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names


def _sizes_of_nonempty(cursor: Any, tables: Sequence[str]) -> dict[str, int]:
    """Return the size in bytes of each table that has a row."""
    size = "CASE WHEN EXISTS (SELECT FROM {0}) THEN pg_relation_size('{0}') END"
    cursor.execute(f"SELECT {', '.join(size.format(table) for table in tables)}")
    sizes = zip(tables, cursor.fetchone(), strict=True)
    return {table: size for table, size in sizes if size is not None}
