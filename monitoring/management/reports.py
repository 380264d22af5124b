"""Base class of the reporting commands: ``--json`` and tables of text."""

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from monitoring.formatting import iso_timestamp


class ReportCommand(BaseCommand):
    """A command that reports as text for people or as one JSON document."""

    # It has to run when checks fail or migrations are missing: it may report just that.
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--json``."""
        parser.add_argument("--json", action="store_true", help="write one JSON document and nothing else")

    def write_json(self, document: Mapping[str, Any]) -> None:
        """Write a document to the standard output."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME
        self.stdout.write(orjson.dumps(document, iso_timestamp, options).decode())

    def write_busy(self, *, json: bool) -> None:
        """Write that nothing was done because another run of the same task is under way."""
        if json:
            self.write_json({"skipped": True})
        else:
            self.stdout.write("Nothing was done: another run is under way.")

    def write_table(self, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table with columns as wide as needed. None is shown as a dash, numbers right-aligned."""
        lines = [tuple(heads), *(tuple(_cell(value) for value in row) for row in rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        for line in lines:
            self.stdout.write("  ".join(_padded(*cell) for cell in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def _padded(text: str, width: int) -> str:
    return text.rjust(width) if text[:1].isdigit() else text.ljust(width)
