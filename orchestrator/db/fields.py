"""Model fields, indexes and constraints that Django lacks, for both engines."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models.expressions import Expression

from orchestrator.json_codec import to_json


class ByteOrderedCharField(models.CharField):  # type: ignore[type-arg]
    """A text column that sorts by code point on every engine.

    That is SQLite's default; PostgreSQL needs the "C" collation. With it a prefix search is a range that a
    plain B-tree index serves, and lists have the same order on both engines.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """Add the collation to the column's parameters on PostgreSQL."""
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


class ExactJSONField(models.JSONField):
    """JSON that comes back as it was stored: the order of keys, and numbers of any size and sign.

    PostgreSQL keeps the text in a column of type ``json``. Its ``jsonb``, which Django's field uses, sorts
    keys and rewrites numbers (1e308 gets 309 digits, -0.0 loses its sign). The type ``json``
    has no equality, so queries can neither compare values of such a column nor use it in DISTINCT, UNION or
    GROUP BY.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return ``json`` on PostgreSQL, and the type of Django's field on other engines."""
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> str:  # noqa: FBT001, FBT002 - Django's
        """Return the value as compact JSON."""
        return to_json(value if prepared else self.get_prep_value(value)).decode()

    def from_db_value(self, value: Any, expression: Expression, connection: BaseDatabaseWrapper) -> Any:
        """Return the stored value."""
        if connection.vendor == "postgresql":
            return value  # psycopg has decoded it; it leaves only jsonb to Django
        return super().from_db_value(value, expression, connection)


class UniqueIndex(models.Index):
    """A unique index with a name on every engine; a ``UniqueConstraint`` has none on SQLite.

    Declare a ``UniqueByIndex`` as well, so that forms and serializers validate the uniqueness.
    """

    def create_sql(
        self,
        model: type[models.Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Statement:
        """Return a ``CREATE UNIQUE INDEX`` statement."""
        statement = super().create_sql(model, schema_editor, using=using, **kwargs)
        statement.template = statement.template.replace("CREATE INDEX", "CREATE UNIQUE INDEX", 1)
        return statement


class UniqueByIndex(models.UniqueConstraint):
    """A unique constraint for validation only: it creates no SQL, because a ``UniqueIndex`` enforces it."""

    def constraint_sql(
        self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> str:
        """Return no SQL."""
        return ""

    def create_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> str:  # type: ignore[override]
        """Return no SQL."""
        return ""

    def remove_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> str:  # type: ignore[override]
        """Return no SQL."""
        return ""
