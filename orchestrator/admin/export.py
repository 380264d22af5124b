"""Jobs as files: written while they are sent, so that any number of them takes little memory."""

import csv
from collections.abc import Iterator
from typing import Any, Final

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from orchestrator.encoding import to_json
from orchestrator.models import Job
from orchestrator.serializers import JobSerializer

#: The columns of a file: what the API tells of a job.
COLUMNS: Final = JobSerializer.Meta.fields

_CHUNK: Final = 2000

#: What a spreadsheet takes for the beginning of a formula; clients choose names.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def export(jobs: QuerySet[Job], kind: str) -> StreamingHttpResponse:
    """Return jobs as a file to download.

    Args:
        jobs: which ones, in which order.
        kind: ``csv`` or ``jsonl``.
    """
    lines, content_type = {
        "csv": (_csv, "text/csv; charset=utf-8"),
        "jsonl": (_json_lines, "application/x-ndjson"),
    }[kind]
    rows = jobs.values(*COLUMNS).iterator(chunk_size=_CHUNK)
    name = f"jobs-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    return StreamingHttpResponse(
        lines(rows),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _json_lines(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        yield to_json(row) + b"\n"


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([_cell(row[name]) for name in COLUMNS])


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
