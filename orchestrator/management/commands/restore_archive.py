"""`manage.py restore_archive`: puts the rows of an archive file back into their table."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from monitoring.management.reports import ReportCommand
from orchestrator import archive
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = (
        "Verify an archive file and put its rows back into their table. Rows whose id the table has stay as "
        "they are. The file moves to the folder restored/ of the archive. A run that was killed goes on with "
        "the next one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", help="a file in ARCHIVE_DIR; `archive --list` shows all")

    def handle(self, *, file: str, json: bool, **options: Any) -> None:
        try:
            with (
                migrated_database(),
                tqdm(unit=" rows", unit_scale=True, disable=None, leave=False) as bar,
            ):
                done = archive.restore(file, bar.update)
        except archive.ArchiveError as error:
            raise CommandError(str(error), returncode=1) from error
        if json:
            self.write_json(asdict(done))
        else:
            there = done.rows - done.inserted
            known = f" {there:,} were there already." if there else ""
            self.stdout.write(f"Restored {done.inserted:,} rows of {done.table} from {done.file}.{known}")
