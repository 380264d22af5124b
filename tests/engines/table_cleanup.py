"""How a database is emptied after a test that commits.

Django's ``flush`` gives every table new files and makes the permissions of every model again: a tenth of a
second, where most tests have left a handful of rows. Here they are deleted, and nothing else is done.
"""

from collections.abc import Sequence
from typing import Any

from django.core.management.color import no_style
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

#: Filled by ``migrate`` alone.
KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})
#: Bytes from which a table of PostgreSQL gets new files: what is only deleted is still scanned.
LARGE = 1_000_000


def empty_instead_of_flush() -> None:
    """Have Django empty its databases in this way after every test that commits."""
    TransactionTestCase._fixture_teardown = _empty_all  # noqa: SLF001 - where Django calls flush


def _empty_all(case: TransactionTestCase) -> None:
    for alias in case._databases_names(include_mirrors=False):  # noqa: SLF001 - as Django does there
        connection = connections[alias]
        if connection.vendor == "postgresql":
            _empty_postgres(connection)
        else:
            tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
            statements = connection.ops.sql_flush(no_style(), sorted(set(tables) - KEPT))
            connection.ops.execute_sql_flush(statements)


def _empty_postgres(connection: BaseDatabaseWrapper) -> None:
    # Those of the triggers as well, which are switched off here: they would write into what is empty by then.
    tables = sorted(set(connection.introspection.table_names()) - KEPT)
    # Past Django, whose hooks would announce it to the cache.
    with connection.connection.transaction(), connection.connection.cursor() as cursor:
        # Waits for whoever still writes: a process that was killed may leave a COMMIT under way.
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        filled = _sizes_of_filled(cursor, tables)
        if large := [table for table, size in filled.items() if size >= LARGE]:
            cursor.execute(f"TRUNCATE {', '.join(large)} CASCADE")
        for table in filled:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names


def _sizes_of_filled(cursor: Any, tables: Sequence[str]) -> dict[str, int]:
    """Return the bytes of each table that has a row."""
    size = "CASE WHEN EXISTS (SELECT FROM {0}) THEN pg_relation_size('{0}') END"
    cursor.execute(f"SELECT {', '.join(size.format(table) for table in tables)}")
    sizes = zip(tables, cursor.fetchone(), strict=True)
    return {table: size for table, size in sizes if size is not None}
