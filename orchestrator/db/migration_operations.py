"""Migration operations: adding an index without blocking writers, and running engine-specific SQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Index, Model

from orchestrator.choices import JobStatus
from orchestrator.db import partitioned_indexes
from orchestrator.db.lock_retries import session_lock_timeout

_SQL_FILES: Final = Path(__file__).parent.parent / "migrations" / "sql"

#: Direct queries: Django's introspection parses the SQL of the whole table on SQLite.
_INDEX_IS_VALID_SQL: Final = {
    "postgresql": """
        SELECT index_state.indisvalid
        FROM pg_index AS index_state
        JOIN pg_class AS index_class ON index_class.oid = index_state.indexrelid
        WHERE index_class.relname = %s AND index_state.indrelid = %s::regclass
    """,
    "sqlite": "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = %s AND tbl_name = %s",
}


class AddIndexOnline(AddIndex):
    """Add an index without blocking writers. It can run again after it failed half-way.

    On PostgreSQL the index is built ``CONCURRENTLY``, on each partition of a partitioned table. No
    transaction allows that: the migration must have ``atomic = False``. It may stop between two indexes or
    leave an invalid one; when it runs again, it keeps a valid index of the same name and rebuilds an invalid
    one (https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY).
    On SQLite, where writes always wait for one another, the index is built in the usual way.
    """

    atomic = False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Build the index unless a valid index of its name exists."""
        _build(schema_editor, to_state.apps.get_model(app_label, self.model_name), self.index)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index if it exists."""
        _drop(schema_editor, from_state.apps.get_model(app_label, self.model_name), self.index)

    def describe(self) -> str:
        """Return the text for ``migrate --plan``."""
        return f"{super().describe()}, without blocking writes"


class AddPostgresIndexOnline(Operation):
    """Add an index of a column that no model declares, on PostgreSQL, without blocking writers.

    Like ``AddIndexOnline`` it needs ``atomic = False`` and can run again after it failed half-way.

    Args:
        table: the table's name.
        name: the index's name.
        definition: what follows the table's name in ``CREATE INDEX``.
    """

    reversible = True
    atomic = False

    def __init__(self, table: str, name: str, definition: str) -> None:
        self.table = table
        self.name = name
        self.definition = definition

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the state of the models unchanged."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Build the index unless a valid index of its name exists."""
        if schema_editor.connection.vendor != "postgresql":
            return
        if _is_partitioned(schema_editor, self.table):
            create = f"CREATE INDEX {self.name} ON {self.table} {self.definition}"
            partitioned_indexes.build(schema_editor, self.table, self.name, create)
        elif schema_editor.collect_sql or not _index_is_valid(schema_editor, self.table, self.name):
            self._drop(schema_editor)
            with _unlimited_wait(schema_editor):
                schema_editor.execute(
                    f"CREATE INDEX CONCURRENTLY {self.name} ON {self.table} {self.definition}"
                )

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index if it exists."""
        if schema_editor.connection.vendor == "postgresql":
            self._drop(schema_editor)

    def _drop(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if _is_partitioned(schema_editor, self.table):
            schema_editor.execute(f"DROP INDEX IF EXISTS {self.name}")
            return
        with _unlimited_wait(schema_editor):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}")

    def describe(self) -> str:
        """Return the text for ``migrate --plan``."""
        return f"Create index {self.name} on {self.table}, without blocking writes (PostgreSQL)"


class RunVendorSQL(Operation):
    """Run the SQL file for the database's engine.

    The files are ``migrations/sql/<name>.<engine>.sql`` and, for the reverse,
    ``<name>.<engine>.reverse.sql``. In them ``:job_statuses`` is replaced by the quoted statuses of
    ``JobStatus``, separated by commas.

    Args:
        name: the files' common name.
    """

    reversible = True

    def __init__(self, name: str) -> None:
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the state of the models unchanged."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Run the file."""
        self._run(schema_editor, "sql")

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Run the reverse file."""
        self._run(schema_editor, "reverse.sql")

    def describe(self) -> str:
        """Return the text for ``migrate --plan``."""
        return f"Run {self.name} for the database's engine"

    def _run(self, schema_editor: BaseDatabaseSchemaEditor, suffix: str) -> None:
        vendor = schema_editor.connection.vendor
        script = (_SQL_FILES / f"{self.name}.{vendor}.{suffix}").read_text(encoding="utf-8")
        script = script.replace(":job_statuses", ", ".join(f"'{status}'" for status in JobStatus.values))
        for statement in [script] if vendor == "postgresql" else _statements(script):
            schema_editor.execute(statement, params=None)


def _statements(script: str) -> Iterator[str]:
    """Split a SQLite script into its statements. Semicolons inside a trigger do not end a statement."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _build(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], index: Index) -> None:
    if not router.allow_migrate_model(schema_editor.connection.alias, model):
        return
    table = model._meta.db_table
    if _is_partitioned(schema_editor, table):
        create = str(index.create_sql(model, schema_editor))
        partitioned_indexes.build(schema_editor, table, index.name, create)
        return
    collecting = schema_editor.collect_sql  # then the SQL is that for a database without the index
    valid = None if collecting else _index_is_valid(schema_editor, table, index.name)
    with _unlimited_wait(schema_editor):
        if valid is False:
            schema_editor.remove_index(model, index, **_concurrently(schema_editor))
        if not valid:
            schema_editor.add_index(model, index, **_concurrently(schema_editor))
    if not valid:
        _analyze_new_index(schema_editor, index.name)


def _drop(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], index: Index) -> None:
    if not router.allow_migrate_model(schema_editor.connection.alias, model):
        return
    collecting = schema_editor.collect_sql
    if _is_partitioned(schema_editor, model._meta.db_table):
        schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(index.name)}")
    elif collecting or _index_is_valid(schema_editor, model._meta.db_table, index.name) is not None:
        with _unlimited_wait(schema_editor):
            schema_editor.remove_index(model, index, **_concurrently(schema_editor))


def _is_partitioned(schema_editor: BaseDatabaseSchemaEditor, table: str) -> bool:
    """Return whether a table is partitioned; collected SQL is that for a plain one."""
    connection = schema_editor.connection
    return not schema_editor.collect_sql and partitioned_indexes.is_partitioned(connection, table)


def _unlimited_wait(schema_editor: BaseDatabaseSchemaEditor) -> AbstractContextManager[None]:
    """Lift the limit on waiting for locks: a CONCURRENTLY waits for writers, and none waits behind it."""
    if schema_editor.collect_sql or schema_editor.connection.vendor != "postgresql":
        return nullcontext()
    return session_lock_timeout(schema_editor.connection, 0)


def _concurrently(schema_editor: BaseDatabaseSchemaEditor) -> dict[str, Any]:
    return {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}


def _analyze_new_index(schema_editor: BaseDatabaseSchemaEditor, index: str) -> None:
    """Analyze a new index if SQLite has analyzed the others: it avoids an index without statistics."""
    connection = schema_editor.connection
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        # All rows are fetched: an unfinished statement would prevent the COMMIT of the migration.
        cursor.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'")
        if cursor.fetchall()[0][0]:
            cursor.execute("PRAGMA analysis_limit = 0").fetchall()
            cursor.execute(f"ANALYZE {schema_editor.quote_name(index)}")


def _index_is_valid(schema_editor: BaseDatabaseSchemaEditor, table: str, index: str) -> bool | None:
    """Return whether the table's index of this name is valid; None if it does not exist."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(_INDEX_IS_VALID_SQL[connection.vendor], [index, table])
        rows = cursor.fetchall()
    return bool(rows[0][0]) if rows else None
