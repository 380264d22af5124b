"""`manage.py archive`: moves old events or jobs into verified files; lists and verifies the files."""

import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from tqdm import tqdm

from monitoring.formatting import human_bytes, human_timestamp
from monitoring.management.reports import ReportCommand
from orchestrator import archive, background
from orchestrator.archive import ArchiveRun, DueRows
from orchestrator.management.databases import migrated_database
from orchestrator.models import ArchiveFile

_MAX_DAYS: Final = 36_500


class Command(ReportCommand):
    help = (
        "Move old events, or jobs that are final with their events, into Parquet files in ARCHIVE_DIR. A row "
        "leaves its table only once its file is on the disk and was read back. A run that was killed goes on "
        "with the next one. Exit status: 0 done, 1 the archive cannot go on or a file is damaged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--table", choices=archive.TABLES, help="the table (default: all, as the background worker does)"
        )
        what.add_argument("--list", action="store_true", help="show the files of the archive")
        what.add_argument("--verify", action="store_true", help="compare each file with its checksum")
        parser.add_argument(
            "--older-than",
            metavar="DAYSd",
            help="minimum age: of events since their creation, of jobs since their end (default: the table's "
            "retention, EVENT_RETENTION_DAYS or JOB_RETENTION_DAYS)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only show what would be archived")

    def handle(self, **options: Any) -> None:
        try:
            with migrated_database():
                if (options["list"] or options["verify"]) and (options["older_than"] or options["dry_run"]):
                    raise CommandError("--older-than and --dry-run are for archiving only", returncode=2)
                if options["list"]:
                    self._list(as_json=options["json"])
                elif options["verify"]:
                    self._verify(as_json=options["json"])
                elif options["table"] or options["dry_run"]:
                    self._archive(**options)
                elif options["older_than"]:
                    raise CommandError("--older-than needs --table", returncode=2)
                else:
                    self._archive_due(as_json=options["json"])
        except archive.ArchiveError as error:
            raise CommandError(str(error), returncode=1) from error

    def _archive(
        self, *, table: str | None, older_than: str | None, dry_run: bool, json: bool, **_: Any
    ) -> None:
        days = _days(older_than)
        tables = [table] if table else archive.TABLES
        for name in tables:
            if 0 < days < (kept := archive.retention_days(name)):
                setting = archive.RETENTION_SETTINGS[name]
                self.stderr.write(
                    f"{name} are kept for {kept} days ({setting}): only older ones are archived."
                )
        cutoffs = {name: archive.cutoff(name, days) for name in tables}
        due = [archive.due(name, before) for name, before in cutoffs.items()]
        if dry_run:
            self._show_due(due, as_json=json)
            return
        with tqdm(total=due[0].rows, unit=" rows", unit_scale=True, disable=None, leave=False) as bar:
            done = archive.run(due[0].table, due[0].before, progress=bar.update)
        self._show_run(done, as_json=json)

    def _archive_due(self, *, as_json: bool) -> None:
        done = background.archive()
        if done is None:
            self.write_busy(json=as_json)
        elif as_json:
            self.write_json({"rows": vars(done)})
        else:
            self.stdout.write(f"Archived {done.jobs:,} jobs and {done.events:,} events.")

    def _show_due(self, due: Sequence[DueRows], *, as_json: bool) -> None:
        if as_json:
            self.write_json({"dry_run": True, "due": [vars(each) for each in due]})
            return
        for each in due:
            rows, before = f"{each.rows:,} {each.table}", _text(each.before)
            between = f", from {_text(each.first_at)} to {_text(each.last_at)}" if each.rows else ""
            self.stdout.write(f"{rows} from before {before} would be archived{between}.")

    def _show_run(self, done: ArchiveRun, *, as_json: bool) -> None:
        rows = sum(done.rows.values())
        if as_json:
            self.write_json(
                {
                    "table": done.table,
                    "before": done.before,
                    "rows": done.rows,
                    "files": [_entry(file) for file in done.files],
                    "resumed": done.resumed,
                    "complete": done.complete,
                    "seconds": round(done.seconds, 3),
                    "rows_per_second": round(rows / done.seconds) if done.seconds else None,
                }
            )
            return
        for name in done.resumed:
            self.stdout.write(f"Finished {name}, which an earlier run had left.")
        moved = ", ".join(f"{number:,} {table}" for table, number in done.rows.items()) or f"no {done.table}"
        files = f"{len(done.files)} file{'s' * (len(done.files) != 1)}"
        self.stdout.write(f"Archived {moved} in {files} in {done.seconds:.1f} s.")

    def _list(self, *, as_json: bool) -> None:
        files = archive.files()
        if as_json:
            self.write_json({"folder": str(settings.ARCHIVE_DIR), "files": [_entry(file) for file in files]})
            return
        self.stdout.write(f"The archive is in {settings.ARCHIVE_DIR}.")
        if files:
            self.write_table(
                ("file", "table", "rows", "size", "from", "to", "state", "verified"), map(_line, files)
            )

    def _verify(self, *, as_json: bool) -> None:
        number = len(archive.finished_files())
        with tqdm(total=number, unit=" files", disable=None, leave=False) as bar:
            problems = archive.verify(bar.update)
        if as_json:
            self.write_json({"files": number, "problems": problems})
        elif problems:
            for problem in problems.values():
                self.stdout.write(self.style.ERROR(problem))
        else:
            self.stdout.write(f"Files that are whole: {number:,}")
        if problems:
            sys.exit(1)


def _days(text: str | None) -> int:
    if text is None:
        return 0
    if re.fullmatch(r"[0-9]{1,5}d", text) and 1 <= (days := int(text[:-1])) <= _MAX_DAYS:
        return days
    raise CommandError(
        f"--older-than {text!r} cannot be used; allowed: a number of days such as 90d, 1d to {_MAX_DAYS}d",
        returncode=2,
    )


def _entry(file: ArchiveFile) -> dict[str, Any]:
    """Return an entry of the manifest for JSON."""
    return {
        "name": file.name,
        "table": file.table,
        "source": file.source,
        "state": file.state,
        "rows": file.rows,
        "bytes": file.bytes,
        "checksum": file.checksum,
        "first_at": file.first_at,
        "last_at": file.last_at,
        "created_at": file.created_at,
        "verified_at": file.verified_at,
    }


def _line(file: ArchiveFile) -> Sequence[object]:
    times = _text(file.first_at), _text(file.last_at)
    size, verified = human_bytes(file.bytes), _text(file.verified_at)
    return file.name, file.table, file.rows, size, *times, file.state, verified


def _text(at: datetime | None) -> str | None:
    return human_timestamp(at) if at else None
