"""Rows as files: written while they are sent, so that any number of them takes little memory."""

import csv
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.serializers import ModelSerializer

from orchestrator.api.serializers import EventSerializer, JobSerializer, TaskSerializer, UserSerializer
from orchestrator.encoding import to_json

_SERIALIZERS: Final[dict[str, type[ModelSerializer[Any]]]] = {
    "jobs": JobSerializer,
    "events": EventSerializer,
    "tasks": TaskSerializer,
    "users": UserSerializer,
}

_CHUNK: Final = 2000

#: What a spreadsheet takes for the beginning of a formula; clients choose names.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def columns_of(table: str) -> tuple[str, ...]:
    """Return the columns of a table's file: what the API tells of a row."""
    fields = _SERIALIZERS[table]().get_fields()
    return tuple(name for name, field in fields.items() if not field.write_only)


def export(rows: QuerySet[Any], kind: str) -> StreamingHttpResponse:
    """Return rows as a file to download.

    Args:
        rows: which ones, in which order.
        kind: ``csv`` or ``jsonl``.
    """
    lines, content_type = {
        "csv": (_csv, "text/csv; charset=utf-8"),
        "jsonl": (_json_lines, "application/x-ndjson"),
    }[kind]
    table = rows.model._meta.db_table
    columns = columns_of(table)
    name = f"{table}-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    return StreamingHttpResponse(
        lines(rows.values(*columns).iterator(chunk_size=_CHUNK), columns),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _json_lines(rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> Iterator[bytes]:
    del columns  # each line has their names
    for row in rows:
        yield to_json(row) + b"\n"


def _csv(rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_cell(row[name]) for name in columns])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else to_json(value).decode().strip('"')
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text
