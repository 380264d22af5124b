"""Exports of rows as files, streamed page by page so that memory use does not grow with their number."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.serializers import ModelSerializer

from orchestrator.api.serializers import EventSerializer, JobSerializer, TaskSerializer, UserSerializer
from orchestrator.json_codec import from_json, to_json
from orchestrator.listing import Selection

_SERIALIZERS: Final[dict[str, type[ModelSerializer[Any]]]] = {
    "jobs": JobSerializer,
    "events": EventSerializer,
    "tasks": TaskSerializer,
    "users": UserSerializer,
}

#: Where a text, which clients choose, would be a formula: at the start of a cell, and of what is a cell for
#: spreadsheets that take semicolons or tabs for separators and ignore the quotes.
_FORMULA: Final = re.compile(r"^(?=[\t\r\n])|(^|[;\t\r\n])(?=[^\S\t\r\n]*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def export(selection: Selection, kind: str) -> StreamingHttpResponse:
    """Return rows as a file to download, with the fields that the API shows.

    Args:
        selection: the rows.
        kind: ``csv`` or ``jsonl``.
    """
    table = selection.definition.name
    fields = _SERIALIZERS[table]().get_fields()
    columns = tuple(name for name, field in fields.items() if not field.write_only)
    rows = (row for page in selection.pages(json=columns) for row in page.rows)
    name = f"{table}-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    return StreamingHttpResponse(
        _csv(rows, columns) if kind == "csv" else _json_lines(rows),
        content_type="text/csv; charset=utf-8" if kind == "csv" else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _json_lines(rows: Iterator[str]) -> Iterator[str]:
    for row in rows:
        yield row.replace("\n", " ") + "\n"  # JSON that was stored with SQL may have line breaks


def _csv(rows: Iterator[str], columns: Sequence[str]) -> Iterator[str]:
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
    yield writer.writerow(columns)
    for row in rows:
        values = from_json(row)
        yield writer.writerow([_cell(values[name]) for name in columns])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else to_json(value).decode().strip('"')
    return _FORMULA.sub(r"\1'", text)


class _Echo:
    """A file for ``csv.writer`` whose ``write`` returns the line."""

    def write(self, text: str) -> str:
        return text
