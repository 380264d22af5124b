"""The archive takes the rows of detached partitions, which are dropped afterwards."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from orchestrator import archive, counts, partitions
from orchestrator.archive import batches, manifest, stored_rows
from orchestrator.models import Event

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

START = datetime(2026, 11, 27, 12, tzinfo=UTC)
LATER = datetime(2027, 5, 10, tzinfo=UTC)
JANUARY = "events_20270101"


@pytest.fixture
def detached(plain_database: None, settings: LazySettings, tmp_path: Path) -> set[object]:
    """The ids of events in two detached partitions; 34 others are in the table."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    partitions.run(START)
    made = [Event(type="daily", created_at=START + timedelta(days=days)) for days in range(100)]
    Event.objects.bulk_create(made)
    assert JANUARY in partitions.run(LATER).detached
    return {event.pk for event in made} - set(Event.objects.values_list("pk", flat=True))


def test_a_partition_is_dropped_once_the_archive_has_its_rows(
    detached: set[object], monkeypatch: pytest.MonkeyPatch, sql: Callable[..., list[tuple[Any, ...]]]
):
    monkeypatch.setattr(batches, "BATCH_ROWS", 10)
    monkeypatch.setattr(stored_rows, "PAGE_ROWS", 10)
    stops = iter([True, True, False])  # in the middle of the first partition
    assert not archive.run("events", archive.cutoff("events"), may_go_on=lambda: next(stops, False)).complete
    assert partitions.upkeep(LATER, archived=archive.archived_rows).dropped == ()

    assert archive.run("events", archive.cutoff("events")).complete
    assert sum(file.rows for file in archive.files()) == len(detached) == 66
    assert {file.source for file in archive.files()} == set(partitions.detached())
    assert archive.run("events", archive.cutoff("events")).files == []

    report = partitions.upkeep(LATER, archived=archive.archived_rows)
    assert len(report.dropped) == 2
    assert sql("SELECT to_regclass(%s)", [JANUARY]) == [(None,)]


def test_a_partition_is_kept_while_a_file_of_its_rows_is_missing(detached: set[object]):
    archive.run("events", archive.cutoff("events"))
    for file in archive.files():
        archive.path_of(file).unlink()
    assert partitions.upkeep(LATER, archived=archive.archived_rows).dropped == ()
    assert len(partitions.detached()) == 2


def test_a_partition_is_kept_while_a_file_of_its_rows_is_damaged(detached: set[object]):
    archive.run("events", archive.cutoff("events"))
    for file in archive.files():
        path = archive.path_of(file)
        path.write_bytes(bytes(path.stat().st_size))
    planned = partitions.run(LATER, dry_run=True, archived=archive.archived_rows)
    assert len(planned.dropped) == 2  # by the manifest: a dry run does not read the files
    assert partitions.upkeep(LATER, archived=archive.archived_rows).dropped == ()
    assert len(partitions.detached()) == 2


def test_files_are_read_only_before_a_partition_is_dropped(
    detached: set[object], monkeypatch: pytest.MonkeyPatch
):
    archive.run("events", archive.cutoff("events"))
    missing, whole = archive.files()
    archive.path_of(missing).unlink()
    checksum, read = manifest.checksum, list[Path]()

    def counted_checksum(path: Path) -> str:
        read.append(path)
        return checksum(path)

    monkeypatch.setattr(manifest, "checksum", counted_checksum)
    partitions.run(LATER, dry_run=True, archived=archive.archived_rows)
    assert read == []
    assert partitions.upkeep(LATER, archived=archive.archived_rows).dropped == (whole.source,)
    assert read == [archive.path_of(whole)]
    partitions.upkeep(LATER, archived=archive.archived_rows)
    assert len(read) == 1


def test_rows_of_a_dropped_partition_are_restored(detached: set[object]):
    archive.run("events", archive.cutoff("events"))
    partitions.upkeep(LATER, archived=archive.archived_rows)
    for file in archive.files():
        archive.restore(file.name)
    assert set(Event.objects.values_list("pk", flat=True)) > detached
    assert Event.objects.count() == counts.rows_of("events") == 100
