"""The archive: which rows leave their tables, and that each is in its table or in one file."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator import archive, counts
from orchestrator.archive import batches, manifest, restoring, runs
from orchestrator.archive.parquet_files import ParquetWriter
from orchestrator.choices import ArchiveState, JobStatus
from orchestrator.models import ArchiveFile, Event, Job
from orchestrator.stream import database_feed
from tests.archive import sample_rows
from tests.archive.sample_rows import everywhere, history, in_archive, in_tables, job, save, save_many

pytestmark = pytest.mark.django_db(transaction=True)


def archive_all() -> None:
    for table in ("jobs", "events"):
        archive.run(table, archive.cutoff(table))


# --- Which rows go ------------------------------------------------------------------------------------------


def test_each_row_is_in_its_table_or_in_one_file(archive_dir: Path, small_batches: None):
    save_many(60)
    before = in_tables()
    archive_all()
    assert everywhere() == before
    archived = {table: rows.total() for table, rows in in_archive().items()}
    # Three statuses of five are final. Events of unfinished jobs stay, those without a job go.
    assert archived == {"jobs": 36, "events": 36 * 3 + 60}
    assert len(archive.files()) > 4
    assert {file.state for file in archive.files()} == {ArchiveState.ARCHIVED}
    assert sample_rows.due_now() == {"jobs": 0, "events": 0}


def test_only_final_jobs_whose_retention_has_passed_go_with_their_events(
    archive_dir: Path, settings: LazySettings
):
    settings.JOB_RETENTION_DAYS = 10
    old, young = (job(JobStatus.FAILED, timedelta(days=days)) for days in (11, 9))
    waiting = job(JobStatus.PENDING)
    for each in (old, young, waiting):
        save(each, *history(each))
    archive.run("jobs", archive.cutoff("jobs"))
    assert set(Job.objects.values_list("pk", flat=True)) == {young.pk, waiting.pk}
    assert set(Event.objects.values_list("job_id", flat=True)) == {young.pk, waiting.pk}
    assert {file.table: file.rows for file in archive.files()} == {"jobs": 1, "events": 3}


def test_events_go_by_their_own_age_unless_their_job_is_unfinished(archive_dir: Path):
    waiting, done = job(JobStatus.RUNNING), job(JobStatus.COMPLETED)
    save(waiting, done, *history(waiting), *history(done), sample_rows.event(timezone.now()))
    archive.run("events", archive.cutoff("events"))
    assert Job.objects.count() == 2
    assert Event.objects.filter(job_id=waiting.pk).count() == 3
    assert Event.objects.filter(job_id=done.pk).count() == 0
    assert Event.objects.count() == 4


def test_a_job_that_changes_while_it_is_archived_stays_with_its_events(
    archive_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    requeued, other = job(JobStatus.FAILED), job(JobStatus.FAILED)
    save(requeued, other, *history(requeued), *history(other))
    move = manifest.move

    def requeue_first(files: Any, state: ArchiveState) -> None:
        move(files, state)
        if state == ArchiveState.DELETING:
            Job.objects.filter(pk=requeued.pk).update(status=JobStatus.PENDING, completed_at=None)

    monkeypatch.setattr(manifest, "move", requeue_first)
    archive.run("jobs", archive.cutoff("jobs"))
    assert Job.objects.get().pk == requeued.pk
    assert Event.objects.filter(job_id=requeued.pk).count() == Event.objects.count() == 3
    archived = in_archive()
    assert [row[0] for row in archived["jobs"]] == [other.pk.hex]
    assert archived["events"].total() == 3
    assert {file.table: file.rows for file in archive.files()} == {"jobs": 1, "events": 3}
    assert archive.verify() == {}


def test_a_run_ends_when_its_time_is_over_and_the_next_one_goes_on(archive_dir: Path, small_batches: None):
    save_many(60)
    done = archive.run("events", archive.cutoff("events"), may_go_on=lambda: False)
    assert not done.complete
    assert done.files == []
    assert archive.run("events", archive.cutoff("events")).complete


def test_the_worker_archives_what_the_retention_allows(archive_dir: Path):
    save_many(10)
    before = in_tables()
    assert archive.run_due() == archive.ArchiveTotals(events=28, jobs=6)
    assert everywhere() == before
    assert sample_rows.due_now() == {"jobs": 0, "events": 0}


# --- Counts, cache, stream ----------------------------------------------------------------------------------


def test_counts_and_cached_responses_are_right_after_each_step(archive_dir: Path, as_user: APIClient):
    save_many(20)
    urls = ["/api/v1/jobs/counts/", "/api/v1/jobs/?status=failed", "/api/v1/events/?type=sample"]

    def shown() -> list[Any]:
        return [as_user.get(url).json() for url in urls]

    before, _ = shown(), shown()
    assert as_user.get(urls[0])["X-Cache"] == "HIT"
    archive_all()
    after = shown()
    assert after != before
    assert after[0]["counts"]["failed"] == len(after[1]["results"]) == 0
    assert all(count.is_exact for count in counts.verify())
    for file in archive.files():
        archive.restore(file.name)
    assert shown() == before
    assert all(count.is_exact for count in counts.verify())


def test_restored_events_are_not_new_to_the_event_stream(archive_dir: Path, engine: str):
    feed = database_feed.current()
    save_many(5)
    archive_all()
    position = feed.now()
    for file in archive.files():
        archive.restore(file.name)
    new = sample_rows.event(timezone.now())
    Event.objects.create(type="new", id=new.pk)
    assert [event.id for event in feed.read(position).events] == [new.pk]


# --- Restoring ----------------------------------------------------------------------------------------------


def test_restored_rows_are_as_they_were(archive_dir: Path, small_batches: None):
    save_many(30)
    before = in_tables()
    archive_all()
    files = archive.files()
    restored = [archive.restore(file.name) for file in files]
    assert in_tables() == before
    assert sum(each.inserted for each in restored) == sum(file.rows for file in files)
    assert [path.name for path in archive_dir.glob("*.parquet")] == []
    assert in_archive() == {"jobs": {}, "events": {}}
    with pytest.raises(archive.ArchiveError, match="are in the table"):
        archive.restore(files[0].name)


def test_a_row_that_the_table_has_stays_as_it_is(archive_dir: Path):
    old = job(JobStatus.COMPLETED)
    save(old, sample_rows.job(JobStatus.COMPLETED))
    archive.run("jobs", archive.cutoff("jobs"))
    old.name = "written again"
    save(old)
    done = archive.restore(archive.files()[0].name)
    assert (done.rows, done.inserted) == (2, 1)
    assert Job.objects.get(pk=old.pk).name == "written again"


def test_a_run_finishes_a_restoration_that_was_killed(archive_dir: Path):
    save_many(10)
    archive.run("jobs", archive.cutoff("jobs"))
    file = next(file for file in archive.files() if file.table == "jobs")
    restoring.begin(file)
    done = archive.run("events", archive.cutoff("events"))
    assert done.resumed == []
    assert Job.objects.filter(status=JobStatus.FAILED).count() == 2
    assert not (archive_dir / file.name).exists()
    assert (archive_dir / "restored" / file.name).exists()
    assert archive.verify() == {}


def test_a_file_that_the_manifest_has_lost_is_restored(archive_dir: Path):
    save_many(10)
    before = in_tables()
    archive_all()
    ArchiveFile.objects.all().delete()
    assert set(archive.verify()) == {path.name for path in archive_dir.glob("*.parquet")}
    for path in archive_dir.glob("*.parquet"):
        archive.restore(str(path))
    assert in_tables() == before
    assert archive.verify() == {}


@pytest.mark.parametrize("rows", [0, 1])
def test_a_file_with_foreign_columns_is_refused(archive_dir: Path, rows: int):
    archive_dir.mkdir()
    path, stated = archive_dir / "events-foreign.parquet", {"table": "events", "rows": rows}
    names = ["id", "created_at", "wheels"]
    lines = [orjson.dumps(["a", "b", "c"], option=orjson.OPT_APPEND_NEWLINE)] * rows
    stated["sha256_of_rows"] = hashlib.sha256(b"".join(lines)).hexdigest()
    columns = {name: pa.array(["abc"[place]] * rows, pa.string()) for place, name in enumerate(names)}
    table = pa.table(columns).replace_schema_metadata({b"kyros.archive": orjson.dumps(stated)})
    pq.write_table(table, path)
    with pytest.raises(archive.ArchiveError, match=r"events-foreign\.parquet .* events has not: wheels\."):
        archive.restore(path.name)
    assert archive.files() == []


# --- What can go wrong --------------------------------------------------------------------------------------


def test_nothing_is_deleted_if_the_file_has_other_rows_than_the_database(
    archive_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    save_many(10)
    before = in_tables()
    close = ParquetWriter.close

    def damaging(writer: ParquetWriter) -> Any:
        contents = close(writer)
        path = writer._path  # noqa: SLF001 - the file that was just written
        content = bytearray(path.read_bytes())
        content[50] ^= 1
        path.write_bytes(content)
        return contents

    with monkeypatch.context() as broken:
        broken.setattr(ParquetWriter, "close", damaging)
        with pytest.raises(archive.ArchiveError, match=r"\.parquet is damaged"):
            archive.run("jobs", archive.cutoff("jobs"))
    assert in_tables() == before
    archive_all()
    assert everywhere() == before
    assert archive.verify() == {}


def test_a_damaged_or_missing_file_is_named_and_not_restored(archive_dir: Path):
    save_many(10)
    archive.run("jobs", archive.cutoff("jobs"))
    events, jobs = sorted(archive_dir.glob("*.parquet"))
    before = in_tables()
    content = bytearray(jobs.read_bytes())
    content[len(content) // 2] ^= 1
    jobs.write_bytes(content)
    events.unlink()
    problems = archive.verify()
    assert "is damaged: its checksum is" in problems[jobs.name]
    assert "is missing" in problems[events.name]
    for file in (jobs, events):
        with pytest.raises(archive.ArchiveError, match=file.name):
            archive.restore(file.name)
    jobs.write_bytes(content[:-10])
    assert "bytes instead of" in archive.verify()[jobs.name]
    assert in_tables() == before


def test_no_row_is_deleted_while_the_file_of_a_killed_run_is_missing(archive_dir: Path):
    save_many(10)
    batch = manifest.begin(["events"])
    manifest.move(batch.values(), ArchiveState.DELETING)
    before = in_tables()
    with pytest.raises(archive.ArchiveError, match=batch["events"].name):
        archive.run("events", archive.cutoff("events"))
    assert in_tables() == before


def test_two_runs_at_once_are_refused(archive_dir: Path):
    save_many(10)
    with runs.exclusive(), pytest.raises(archive.ArchiveBusy, match=str(archive_dir)):
        archive.run("jobs", archive.cutoff("jobs"))
    with runs.exclusive(), pytest.raises(archive.ArchiveBusy):
        archive.run_due()


def test_the_manifest_allows_one_open_batch_of_a_table_where_the_lock_is_not_shared(archive_dir: Path):
    """As on two machines with a folder each."""
    save_many(10)
    mine = manifest.begin(["events"])
    with pytest.raises(archive.ArchiveBusy):
        manifest.begin(["jobs", "events"])
    assert ArchiveFile.objects.count() == 1
    # Another run takes over: this one can no longer delete rows.
    batches.finish([ArchiveFile.objects.get()])
    with pytest.raises(archive.ArchiveBusy, match="taken over"):
        manifest.move(mine.values(), ArchiveState.DELETING)
    with pytest.raises(IntegrityError):
        ArchiveFile.objects.bulk_create(
            ArchiveFile(name=name, batch=mine["events"].batch, table="jobs", state=ArchiveState.WRITING)
            for name in "ab"
        )


def test_a_full_disk_leaves_every_row_in_its_table(archive_dir: Path, monkeypatch: pytest.MonkeyPatch):
    save_many(10)
    before = in_tables()
    archive_dir.mkdir()

    def full(table: str, path: Path) -> ParquetWriter:
        part = path.with_name(f".{path.name}.part")
        part.symlink_to("/dev/full")
        return ParquetWriter(table, path)

    with monkeypatch.context() as broken:
        broken.setattr(batches, "ParquetWriter", full)
        with pytest.raises(archive.ArchiveError, match=rf"Cannot write to {archive_dir}: .*space"):
            archive.run("events", archive.cutoff("events"))
    assert in_tables() == before
    assert [path.name for path in archive_dir.iterdir()] == [".lock"]
    assert ArchiveFile.objects.count() == 0


def test_a_folder_that_cannot_be_used_is_named(settings: LazySettings, tmp_path: Path):
    (tmp_path / "file").touch()
    settings.ARCHIVE_DIR = tmp_path / "file" / "archive"
    with pytest.raises(archive.ArchiveError, match=str(settings.ARCHIVE_DIR)):
        archive.run("jobs", archive.cutoff("jobs"))


# --- The commands -------------------------------------------------------------------------------------------


def test_the_command_archives_lists_verifies_and_restores(archive_dir: Path, command: Callable[..., Any]):
    save_many(10)
    before = in_tables()
    dry = command("archive", "--table", "jobs", "--older-than", "180d", "--dry-run")
    assert [(due["table"], due["rows"]) for due in dry["due"]] == [("jobs", 6)]
    assert in_tables() == before
    assert not archive_dir.exists()
    done = command("archive", "--table", "jobs", "--older-than", "180d")
    assert done["rows"] == {"jobs": 6, "events": 18}
    assert done["complete"]
    listed = command("archive", "--list")
    assert listed["folder"] == str(archive_dir)
    assert {file["name"] for file in listed["files"]} == {path.name for path in archive_dir.glob("*.parquet")}
    assert command("archive", "--verify") == {"files": 2, "problems": {}}
    for file in listed["files"]:
        assert command("restore_archive", file["name"])["inserted"] == file["rows"]
    assert in_tables() == before


def test_rows_older_than_the_archived_ones_are_archived_by_a_later_run(archive_dir: Path):
    for _ in range(2):
        save_many(10)
        for table in archive.TABLES:
            archive.run(table, archive.cutoff(table))
        assert sample_rows.due_now() == {"jobs": 0, "events": 0}


@pytest.mark.sqlite
def test_timestamps_that_sql_by_hand_has_stored_in_another_form(archive_dir: Path):
    save_many(10)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs SET completed_at = datetime(completed_at) || '.000000' WHERE completed_at < '2026'"
        )
        cursor.execute("UPDATE events SET created_at = replace(datetime(created_at), ' ', 'T')")
    before = in_tables()
    for table in archive.TABLES:
        archive.run(table, archive.cutoff(table))
    assert everywhere() == before


def test_the_retention_counts_where_the_age_is_less(
    archive_dir: Path, command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
):
    save_many(10)
    assert command("archive", "--table", "jobs", "--older-than", "1d")["rows"] == {"jobs": 6, "events": 18}
    assert "jobs are kept for 180 days (JOB_RETENTION_DAYS)" in capsys.readouterr().err
    assert Job.objects.count() > 0


def test_the_command_of_the_worker_archives_all_tables(archive_dir: Path, command: Callable[..., Any]):
    save_many(10)
    assert [due["rows"] for due in command("archive", "--dry-run")["due"]] == [28, 6]
    assert command("archive") == {"rows": {"events": 28, "jobs": 6}}
    assert sample_rows.due_now() == {"jobs": 0, "events": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "jobs", "--older-than", "soon"], "'soon' cannot be used; allowed: .* 90d"),
        (["--table", "jobs", "--older-than", "0d"], "'0d' cannot be used"),
        (["--older-than", "200d"], "needs --table"),
        (["--list", "--older-than", "200d"], "for archiving only"),
        (["--verify", "--dry-run"], "for archiving only"),
    ],
)
def test_an_age_that_cannot_be_used_is_named(archive_dir: Path, arguments: list[str], message: str):
    with pytest.raises(CommandError, match=message) as caught:
        call_command("archive", *arguments)
    assert caught.value.returncode == 2


def test_the_command_names_what_is_wrong(archive_dir: Path):
    with pytest.raises(CommandError, match=r"There is no file 'nothing\.parquet'") as caught:
        call_command("restore_archive", "nothing.parquet")
    assert caught.value.returncode == 1
    (archive_dir / "other.parquet").write_text("no Parquet")
    with pytest.raises(CommandError, match=r"other\.parquet is damaged"):
        call_command("restore_archive", "other.parquet")
    with pytest.raises(SystemExit):
        call_command("archive", "--verify")


@pytest.mark.one_engine
def test_a_web_worker_does_not_load_pyarrow():
    code = "import sys, kyros.wsgi, kyros.urls, orchestrator.tasks; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", ["", "..", "a" * 300, "\udcff", "../x.parquet", "/x.parquet", "fifo.parquet"]
)
def test_what_is_no_file_of_the_archive_is_not_restored(archive_dir: Path, name: str):
    archive_dir.mkdir()
    os.mkfifo(archive_dir / "fifo.parquet")
    with pytest.raises(archive.ArchiveError, match="There is no file"):
        archive.restore(name)


def test_a_file_whose_rows_are_being_deleted_is_verified(archive_dir: Path):
    save_many(10)
    archive.run("events", archive.cutoff("events"))
    (file,) = archive.files()
    ArchiveFile.objects.update(state=ArchiveState.DELETING)
    (archive_dir / file.name).unlink()
    assert archive.verify() == {file.name: f"The file {archive_dir / file.name} is missing."}


def test_an_error_of_the_file_system_is_named(archive_dir: Path):
    save_many(10)
    archive.run("events", archive.cutoff("events"))
    (archive_dir / "restored").touch()
    with pytest.raises(archive.ArchiveError, match=r"ARCHIVE_DIR .*restored.*: File exists"):
        archive.restore(archive.files()[0].name)
