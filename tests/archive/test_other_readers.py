"""DuckDB reads the archive's files as they are."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestrator import archive
from orchestrator.choices import JobStatus
from orchestrator.models import Event, Job
from tests.archive.sample_rows import PAYLOAD, history, job, save

pytestmark = pytest.mark.django_db(transaction=True)

#: Every type of column that the tables have.
JOB = """
    SELECT id, status, due, priority, progress, lease_token, completed_at, metadata, result ->> '$.lines[1]'
    FROM jobs WHERE completed_at < now()
"""


@pytest.fixture
def done(archive_dir: Path) -> Job:
    """A job that was archived with its events."""
    done = job(JobStatus.COMPLETED, result={"lines": [1, 2]}, progress=100, worker="w")
    save(done, *history(done))
    archive.run("jobs", archive.cutoff("jobs"))
    return done


@pytest.fixture
def db(archive_dir: Path, done: Job) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the archive's files as tables."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in archive.TABLES:
            connection.execute(f"CREATE VIEW {table} AS FROM '{archive_dir}/{table}-*.parquet'")
        yield connection


def test_ids_timestamps_and_json_have_their_types(db: duckdb.DuckDBPyConnection, done: Job):
    (row,) = db.execute(JOB).fetchall()
    assert row[:7] == (done.pk, "completed", False, 0, 100, None, done.completed_at)
    assert json.loads(row[7]) == PAYLOAD
    assert row[8] == "2"
    types = db.execute("DESCRIBE SELECT id, completed_at, metadata FROM jobs").fetchall()
    assert [kind for _, kind, *_ in types] == ["UUID", "TIMESTAMP WITH TIME ZONE", "VARCHAR"]


def test_events_join_their_jobs(db: duckdb.DuckDBPyConnection):
    joined = db.execute("SELECT count(*) FROM events JOIN jobs ON events.job_id = jobs.id").fetchone()
    assert joined == (3,)


def test_the_files_have_the_columns_of_the_tables(db: duckdb.DuckDBPyConnection):
    for model in (Job, Event):
        described = db.execute(f"DESCRIBE {model._meta.db_table}").fetchall()
        assert {name for name, *_ in described} == {field.column for field in model._meta.concrete_fields}
