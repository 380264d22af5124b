"""Concurrent writers, folds and readers on PostgreSQL do not block each other, and every read is exact."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction

from orchestrator import counts
from orchestrator.models import Event, Job
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

WRITER = Path(__file__).with_name("writer.py")
ADD_EVENT = "INSERT INTO events (id, type, payload, created_at) VALUES (gen_random_uuid(), 'x', '{}', now())"
ADD_JOB = """
    INSERT INTO jobs (id, name, description, status, priority, metadata, created_at, updated_at, attempts,
                      max_attempts)
    VALUES (gen_random_uuid(), 'x', '', 'pending', 0, '{}', now(), now(), 0, 3)
"""
# Far longer than any statement takes; a statement that waits for another transaction fails.
LOCK_TIMEOUT = "SET lock_timeout = '2s'"

Client = "psycopg.Connection[tuple[object, ...]]"


@pytest.fixture(autouse=True)
def _folded(transactional_db: None) -> None:
    """Fold the counts that other tests left."""
    counts.fold()


@pytest.fixture
def client(database_url: str) -> Iterator[Callable[[], Client]]:
    """A function that returns the connection of a new client, in an open transaction."""
    with ExitStack() as stack:

        def connect() -> Client:
            connected = psycopg.connect(database_url)
            stack.callback(connected.close)
            connected.execute(LOCK_TIMEOUT)
            return connected

        yield connect


def appended() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM row_counts")
        return int(cursor.fetchone()[0])


def test_writers_do_not_block_each_other_and_cannot_deadlock(client: Callable[[], Client]) -> None:
    first, second = client(), client()
    first.execute(ADD_JOB)
    second.execute(ADD_EVENT)
    first.execute(ADD_EVENT)
    second.execute(ADD_JOB)
    assert counts.rows_by_table()["jobs"] == 0
    second.commit()
    assert counts.rows_by_table() == {"jobs": 1, "events": 1, "tasks": 0, "users": 0}
    first.commit()
    assert counts.rows_by_table() == {"jobs": 2, "events": 2, "tasks": 0, "users": 0}


def test_a_new_job_appends_one_row_and_a_change_of_status_or_queue_two() -> None:
    job = Job.objects.create(name="j", queue="mail")
    assert appended() == 1
    for changed, expected in (
        ({"name": "k", "progress": 5}, 1),
        ({"status": "cancelled", "completed_at": job.created_at}, 3),
    ):
        Job.objects.update(**changed)
        assert appended() == expected
    Job.objects.update(queue="reports")
    assert appended() == 5
    counts.fold()
    assert appended() == 1


def test_folds_and_writers_do_not_block_each_other(client: Callable[[], Client]) -> None:
    writer, folder = client(), client()
    Event.objects.create(type="x")
    Event.objects.create(type="x")
    writer.execute(ADD_EVENT)
    folder.execute("SELECT fold_counts()")
    writer.execute(ADD_EVENT)
    writer.commit()
    assert counts.rows_of("events") == 4
    folder.commit()
    assert counts.rows_of("events") == 4
    counts.fold()
    assert counts.rows_of("events") == 4
    assert appended() == 1


def test_a_second_fold_at_the_same_time_does_nothing(client: Callable[[], Client]) -> None:
    folder = client()
    for _ in range(5):
        Event.objects.create(type="x")
    assert folder.execute("SELECT fold_counts()").fetchone() == (5,)
    assert counts.fold() == 0
    folder.commit()
    assert counts.fold() == 1
    assert counts.rows_of("events") == 5


def test_a_fold_that_dies_is_rolled_back(client: Callable[[], Client]) -> None:
    folder = client()
    for _ in range(5):
        Event.objects.create(type="x")
    folder.execute("SELECT fold_counts()")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [folder.info.backend_pid])
    assert counts.rows_of("events") == 5
    assert counts.fold() == 5


def test_a_reader_folds_very_many_rows_but_not_in_a_transaction() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO row_counts SELECT 'events', '', 1 - 2 * (n % 2) FROM generate_series(1, 10002) AS n"
        )
    with transaction.atomic():
        assert counts.rows_of("events") == 0
    assert appended() == 10002  # a fold in a caller's transaction would stop other folds
    assert counts.rows_of("events") == 0
    assert appended() == 0


def test_a_reader_of_very_many_queues_does_not_fold_what_a_fold_would_leave() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO row_counts SELECT 'jobs', 'pending', 1, 'q' || n FROM generate_series(1, 6000) AS n"
        )
        cursor.execute("SELECT xmin::text, count(*) FROM row_counts GROUP BY 1")
        before = cursor.fetchall()
        assert counts.jobs_by_status()["pending"] == 6000
        cursor.execute("SELECT xmin::text, count(*) FROM row_counts GROUP BY 1")
        assert cursor.fetchall() == before


def test_a_fold_truncates_the_file_after_very_many_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO row_counts SELECT 'events', '', 0 FROM generate_series(1, 20000)")
        counts.fold()
        counts.fold()  # the rows that the first fold appended were at the end of the file
        cursor.execute("INSERT INTO row_counts SELECT 'events', '', 0 FROM generate_series(1, 2000)")
        counts.fold()
        cursor.execute("SELECT pg_relation_size('row_counts') / current_setting('block_size')::int")
        assert cursor.fetchone()[0] < 40


def test_truncate_is_refused_under_an_older_snapshot(
    client: Callable[[], Client],
) -> None:
    Event.objects.create(type="x")
    old = client()
    old.rollback()
    old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    old.execute("SELECT 1 FROM events")
    Event.objects.create(type="x")
    with pytest.raises(psycopg.errors.ActiveSqlTransaction, match="TRUNCATE of events needs"):
        old.execute("TRUNCATE events")
    old.rollback()
    assert counts.rows_of("events") == Event.objects.count() == 2


def test_counts_are_always_exact_while_writers_are_killed(database_url: str, tmp_path: Path) -> None:
    writers = [start_writer(database_url, tmp_path, seed) for seed in range(4)]
    try:
        for victim in range(3):
            before = Event.objects.order_by("-id").values_list("id", flat=True).first() or uuid4()
            wait_until(lambda before=before: not newest_is(before), what="a writer's event")
            for _ in range(40):
                counts.fold()
                assert [number for number in counts.verify() if not number.is_exact] == []
            writers[victim].kill()
        wait_until(Job.objects.exists, what="a job")
        assert writers[3].running, writers[3].with_log("A writer has failed")
    finally:
        for writer in writers:
            writer.kill()
    wait_until(no_other_transaction_is_open, what="the end of the killed writers' transactions")
    counts.fold()
    assert [number for number in counts.verify() if not number.is_exact] == []
    assert counts.rows_of("events") == Event.objects.count() > 0


def start_writer(database_url: str, tmp_path: Path, seed: int) -> ChildProcess:
    return ChildProcess([sys.executable, WRITER, database_url, str(seed)], tmp_path / f"writer{seed}")


def newest_is(event_id: object) -> bool:
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first()
    return newest is None or newest == event_id


def no_other_transaction_is_open() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return bool(cursor.fetchone()[0] == 0)
