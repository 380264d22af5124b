"""Migration operations: indexes that are added without stopping writers, and SQL written for each engine."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Index, Model

from orchestrator.choices import JobStatus

_SQL_FILES: Final = Path(__file__).parent.parent / "migrations" / "sql"

#: Asked past Django's introspection, which takes the SQL of a whole table apart on SQLite.
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
    """Add an index without stopping writers, and survive being run again after a failure half-way.

    On PostgreSQL the index is built ``CONCURRENTLY``, which cannot happen in a transaction: give the
    migration ``atomic = False``. Such a migration may stop between two indexes or leave one invalid; run
    again, it keeps a valid index of that name and rebuilds an invalid one
    (https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY).
    On SQLite, where every write waits for the one before it anyway, the index is built plainly.
    """

    atomic = False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Build the index unless a valid one of its name is there already."""
        _build(schema_editor, to_state.apps.get_model(app_label, self.model_name), self.index)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index if it is there."""
        _drop(schema_editor, from_state.apps.get_model(app_label, self.model_name), self.index)

    def describe(self) -> str:
        """Return what this operation does, for ``migrate --plan``."""
        return f"{super().describe()}, without blocking writes"


class RunVendorSQL(Operation):
    """Run the statements of a file that was written for the database's engine.

    The files are ``migrations/sql/<name>.<engine>.sql`` and, to undo it, ``<name>.<engine>.reverse.sql``. In
    them ``:job_statuses`` stands for the quoted statuses of ``JobStatus``, separated by commas.

    Args:
        name: the files' common name.
    """

    reversible = True

    def __init__(self, name: str) -> None:
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing in Django's picture of the models."""

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
        """Run the file that undoes it."""
        self._run(schema_editor, "reverse.sql")

    def describe(self) -> str:
        """Return what this operation does, for ``migrate --plan``."""
        return f"Run {self.name} for the database's engine"

    def _run(self, schema_editor: BaseDatabaseSchemaEditor, ending: str) -> None:
        vendor = schema_editor.connection.vendor
        script = (_SQL_FILES / f"{self.name}.{vendor}.{ending}").read_text(encoding="utf-8")
        script = script.replace(":job_statuses", ", ".join(f"'{status}'" for status in JobStatus.values))
        for statement in [script] if vendor == "postgresql" else _statements(script):
            schema_editor.execute(statement, params=None)


def _statements(script: str) -> Iterator[str]:
    """Split a SQLite script into its statements; a trigger's own semicolons end none."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _build(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], index: Index) -> None:
    """Build an index unless a valid one of its name is there; rebuild an invalid one."""
    if not router.allow_migrate_model(schema_editor.connection.alias, model):
        return
    valid = _index_is_valid(schema_editor, model._meta.db_table, index.name)
    if valid is False:
        schema_editor.remove_index(model, index, **_concurrently(schema_editor))
    if not valid:
        schema_editor.add_index(model, index, **_concurrently(schema_editor))
        _tell_the_planner(schema_editor, index.name)


def _drop(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], index: Index) -> None:
    """Drop an index if it is there."""
    if not router.allow_migrate_model(schema_editor.connection.alias, model):
        return
    if _index_is_valid(schema_editor, model._meta.db_table, index.name) is not None:
        schema_editor.remove_index(model, index, **_concurrently(schema_editor))


def _concurrently(schema_editor: BaseDatabaseSchemaEditor) -> dict[str, Any]:
    return {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}


def _tell_the_planner(schema_editor: BaseDatabaseSchemaEditor, index: str) -> None:
    """Have SQLite look at a new index where it has looked at the others: what it does not know it avoids."""
    connection = schema_editor.connection
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        # Fetched to the end: a statement that is not done yet would keep the migration from being committed.
        cursor.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'")
        if cursor.fetchall()[0][0]:
            cursor.execute("PRAGMA analysis_limit = 0").fetchall()
            cursor.execute(f"ANALYZE {schema_editor.quote_name(index)}")


def _index_is_valid(schema_editor: BaseDatabaseSchemaEditor, table: str, index: str) -> bool | None:
    """Return whether the table's index of this name is usable, or None where there is no such index."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(_INDEX_IS_VALID_SQL[connection.vendor], [index, table])
        rows = cursor.fetchall()
    return bool(rows[0][0]) if rows else None
