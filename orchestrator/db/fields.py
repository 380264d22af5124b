"""Model fields and index classes that Django lacks and both engines need."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement


class ByteOrderedCharField(models.CharField):  # type: ignore[type-arg]
    """A text column that sorts by code point on every engine.

    SQLite does so by itself; PostgreSQL needs the "C" collation. It makes a prefix search a plain range
    that an ordinary B-tree index serves, and gives lists the same order on both engines.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """Return the column's parameters, with the "C" collation on PostgreSQL."""
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


class UniqueIndex(models.Index):
    """An index that admits each value once, under its own name on every engine.

    A ``UniqueConstraint`` is anonymous on SQLite; this is not. Declare a ``UniqueByIndex`` beside it so
    that forms and serializers know of the uniqueness before the database complains.
    """

    def create_sql(
        self,
        model: type[models.Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Statement:
        """Return the statement that creates the index, as ``CREATE UNIQUE INDEX``."""
        statement = super().create_sql(model, schema_editor, using=using, **kwargs)
        statement.template = statement.template.replace("CREATE INDEX", "CREATE UNIQUE INDEX", 1)
        return statement


class UniqueByIndex(models.UniqueConstraint):
    """A uniqueness that validation checks and a ``UniqueIndex`` enforces: it makes no SQL of its own."""

    def constraint_sql(
        self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> str:
        """Return nothing to put into ``CREATE TABLE``."""
        return ""

    def create_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> str:  # type: ignore[override]
        """Return nothing to execute."""
        return ""

    def remove_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> str:  # type: ignore[override]
        """Return nothing to execute."""
        return ""
