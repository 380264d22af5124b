"""Empty temporary tables on PostgreSQL that shadow a real table and lack one of its indexes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# PostgreSQL finds a temporary table before a permanent one of the same name. Only the catalog of the
# real table is read; the temporary one is visible to this session only.
_STATEMENTS_SQL: Final = """
    WITH real AS (
        SELECT real_table.oid, real_table.relname AS name, namespace.nspname AS namespace
        FROM pg_class AS real_table JOIN pg_namespace AS namespace ON namespace.oid = real_table.relnamespace
        WHERE real_table.oid = to_regclass(quote_ident(%s))
    )
    SELECT 1, format('CREATE TEMPORARY TABLE %%1$I (LIKE %%2$I.%%1$I)', real.name, real.namespace) FROM real
    UNION ALL
    SELECT 2, CASE WHEN key.oid IS NULL
        THEN format('CREATE %%s INDEX %%I ON pg_temp.%%I%%s', CASE WHEN indisunique THEN 'UNIQUE' END,
                    index_class.relname, real.name, substr(definition, position(' USING ' in definition)))
        ELSE format('ALTER TABLE pg_temp.%%I ADD CONSTRAINT %%I %%s', real.name, key.conname,
                    pg_get_constraintdef(key.oid)) END
    FROM real JOIN pg_index ON indrelid = real.oid AND indisvalid
    JOIN pg_class AS index_class ON index_class.oid = indexrelid AND index_class.relname <> %s
    LEFT JOIN pg_constraint AS key ON key.conindid = indexrelid AND key.contype = 'p'
    CROSS JOIN LATERAL pg_get_indexdef(indexrelid) AS definition
    ORDER BY 1
"""
#: Wait at most 200 ms for a session that alters the real table.
_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = 200"


@contextmanager
def shadowed(connection: BaseDatabaseWrapper, table: str, without: str) -> Iterator[None]:
    """Within the block, let queries of a table use an empty copy that lacks an index.

    The real table is locked as by a SELECT only, and the copy is rolled back.

    Raises:
        DatabaseError: if the table cannot be created, as on a replica.
    """
    with transaction.atomic(using=connection.alias):
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_TIMEOUT)
            cursor.execute(_STATEMENTS_SQL, [table, without])
            for _, statement in cursor.fetchall():
                cursor.execute(statement)
        yield
        transaction.set_rollback(True, using=connection.alias)
