"""Rows as JSON text that the database makes: a page of a list needs no model instances and no serializer.

A resource's serializer declares its fields; a test compares the two over random rows.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.db.models.sql.compiler import SQLCompiler

from orchestrator.json_codec import to_json

#: How each engine writes a column of a kind as JSON; ``{0}`` is the column. PostgreSQL concatenates texts;
#: SQLite's ``json_object`` takes texts and numbers as they are.
_POSTGRESQL: Final[dict[type, str]] = {
    models.UUIDField: "'\"' || {0} || '\"'",
    models.DateTimeField: """to_char({0} AT TIME ZONE 'UTC', '\\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\\"')""",
    models.JSONField: "{0}::text",
}
_SQLITE: Final[dict[type, str]] = {
    models.UUIDField: (
        "substr({0}, 1, 8) || '-' || substr({0}, 9, 4) || '-' || substr({0}, 13, 4)"
        " || '-' || substr({0}, 17, 4) || '-' || substr({0}, 21)"
    ),
    models.DateTimeField: "replace({0}, ' ', 'T') || CASE length({0}) WHEN 19 THEN '.000000Z' ELSE 'Z' END",
    models.JSONField: "json({0})",
    models.BooleanField: "json(CASE WHEN {0} THEN 'true' ELSE 'false' END)",
}


class RowAsJSON(Expression):
    """The JSON object of a row's fields, which are columns of the queryset's own table, as text."""

    def __init__(self, *fields: str) -> None:
        super().__init__(output_field=models.TextField())
        self.fields = fields

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[()]]:
        """Return the engine's expression."""
        query = compiler.query
        return object_sql(query.model, query.get_initial_alias(), self.fields, connection.vendor), ()


@lru_cache(maxsize=64)
def object_sql(model: type[models.Model], alias: str, fields: tuple[str, ...], vendor: str) -> str:
    """Return the SQL of a row of the table ``alias`` as JSON. ``fields`` never come from a client."""
    templates, other = (_SQLITE, "{0}") if vendor == "sqlite" else (_POSTGRESQL, "to_json({0})::text")
    columns = {}
    for name in fields:
        field: models.Field[Any, Any] = model._meta.get_field(name)  # type: ignore[assignment]
        template = next((templates[kind] for kind in templates if isinstance(field, kind)), other)
        columns[name] = template.format(f'"{alias}"."{field.column}"')
    if vendor == "sqlite":
        pairs = ", ".join(f"'{name}', {column}" for name, column in columns.items())
        return f"json_object({pairs})"
    # A concatenation: PostgreSQL's own objects have spaces in them.
    pairs = ", ',', ".join(f"'\"{name}\":', coalesce({column}, 'null')" for name, column in columns.items())
    return f"concat('{{', {pairs}, '}}')"


def page_body(texts: Iterable[str], *, next_url: str | None = None, previous_url: str | None = None) -> bytes:
    """Return the JSON of a page of a list, of each row's JSON and the URLs of the pages beside it."""
    links = b'{"next":%b,"previous":%b,"results":[' % (to_json(next_url), to_json(previous_url))
    return b"".join((links, ",".join(texts).encode(), b"]}"))
