"""Partitions are created ahead, leave when they are expired, and are dropped when they are empty."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import LazySettings
from django.db import IntegrityError, OperationalError, connection
from rest_framework.test import APIClient

from orchestrator import counts, partitions
from orchestrator.models import Event
from orchestrator.partitions import catalog, periods
from tests.partitions.killed_runs import Killed, Statements
from tests.polling import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Sql = Callable[..., list[tuple[Any, ...]]]
Client = psycopg.Connection[tuple[Any, ...]]

START = datetime(2026, 11, 27, 12, tzinfo=UTC)
#: EVENT_RETENTION_DAYS later: the events of January are expired, those of February are not.
LATER = datetime(2027, 5, 10, tzinfo=UTC)
FIRST, JANUARY = "events_until_20270101", "events_20270101"
ALL_PARTITIONS = (
    "SELECT relname FROM pg_class WHERE relname ~ '^events_(until_)?[0-9]+(_[0-9]+)?$' AND relkind = 'r'"
)
INSERT = "INSERT INTO events (id, type, payload, created_at) VALUES (gen_random_uuid(), %s, '{}', %s)"


@pytest.fixture
def history(plain_database: None) -> None:
    """A partitioned table with one event a day, of which the first 66 are expired at ``LATER``."""
    partitions.run(START)
    Event.objects.bulk_create(
        Event(type="daily", payload={}, created_at=START + timedelta(days=days)) for days in range(100)
    )


def rows_everywhere(sql: Sql) -> int:
    """Return the number of rows in the partitions, attached or not."""
    tables = [name for (name,) in sql(ALL_PARTITIONS)]
    return sum(sql(f"SELECT count(*) FROM {table}")[0][0] for table in tables)  # noqa: S608 - our own names


def assert_counts_are_exact() -> None:
    assert counts.rows_of("events") == Event.objects.count()


def test_expired_partitions_leave_with_their_counts(history: None, sql: Sql) -> None:
    assert partitions.first_boundary() == datetime(2027, 1, 1, tzinfo=UTC)
    planned = partitions.run(LATER, dry_run=True)
    assert planned.detached == (FIRST, JANUARY)
    report = partitions.run(LATER)
    assert planned.past_until == report.past_until == datetime(2027, 2, 1, tzinfo=UTC)
    assert (report.detached, report.waiting) == ((JANUARY, FIRST), (JANUARY, FIRST))
    assert report.waiting == partitions.detached()
    assert report.coming >= 3
    assert Event.objects.count() == 100 - 66
    assert_counts_are_exact()
    assert rows_everywhere(sql) == 100
    again = partitions.run(LATER)
    assert (again.detached, again.past_until) == ((), None)
    assert partitions.first_boundary() == datetime(2027, 2, 1, tzinfo=UTC)


def test_cached_responses_with_expired_events_are_invalidated(history: None, as_user: APIClient) -> None:
    path = "/api/v1/events/?type=daily&ordering=created_at&limit=1"
    for _ in range(3):
        before = as_user.get(path)
    assert before["X-Cache"] == "HIT"
    partitions.run(LATER)
    (oldest,) = as_user.get(path).json()["results"]
    assert oldest["created_at"] == "2027-02-01T12:00:00.000000Z"


def test_detached_partitions_are_dropped_once_they_are_empty(history: None, sql: Sql) -> None:
    partitions.run(LATER)
    sql(f"DELETE FROM {JANUARY}")  # noqa: S608 - our own name; the archive does this
    assert partitions.run(LATER, dry_run=True).dropped == (JANUARY,)
    report = partitions.run(LATER)
    assert (report.dropped, report.waiting) == ((JANUARY,), (FIRST,))
    assert sql("SELECT to_regclass(%s)", [JANUARY]) == [(None,)]
    assert_counts_are_exact()


def test_detached_partitions_are_dropped_once_every_row_is_archived(history: None, sql: Sql) -> None:
    partitions.run(LATER)
    rows = {JANUARY: 30, FIRST: 34}

    def archived(partition: str, *, read_files: bool) -> int:
        return rows[partition]

    assert partitions.run(LATER, archived=archived).dropped == ()
    rows[JANUARY] = 31
    assert partitions.run(LATER, archived=archived, dry_run=True).dropped == (JANUARY,)
    assert partitions.upkeep(LATER, archived=archived).dropped == (JANUARY,)
    assert partitions.detached() == (FIRST,)


def test_old_events_can_be_written_after_their_partition_left(history: None) -> None:
    partitions.run(LATER)
    Event.objects.create(type="restored", created_at=START)
    assert_counts_are_exact()
    report = partitions.run(LATER)
    (name,) = report.detached
    assert name.startswith("events_until_20270201_")
    assert not Event.objects.filter(type="restored").exists()
    Event.objects.create(type="restored again", created_at=START)


def test_a_statement_that_names_a_partition_is_refused_until_it_is_detached(history: None, sql: Sql) -> None:
    for statement in (f"DELETE FROM {JANUARY}", f"UPDATE {FIRST} SET type = 'x'"):  # noqa: S608 - our own names
        with pytest.raises(OperationalError, match="Write to events, not to its partition events_"):
            sql(statement)
    Event.objects.update(type="changed")
    assert_counts_are_exact()
    partitions.run(LATER)
    sql(f"DELETE FROM {JANUARY}")  # noqa: S608 - our own name
    assert_counts_are_exact()


def test_a_table_that_looks_like_a_partition_is_left_alone(history: None, sql: Sql) -> None:
    sql("CREATE TABLE events_20260101 AS SELECT * FROM events")
    partitions.run(LATER)
    assert "events_20260101" not in partitions.detached()
    assert_counts_are_exact()


def test_upkeep_can_be_killed_at_any_statement(history: None, statements: Statements, sql: Sql) -> None:
    sql("DELETE FROM events WHERE created_at < '2026-12-01'")
    rows, kills, report = rows_everywhere(sql), 0, None
    while report is None:
        statements.count, statements.kill_at = 0, kills + 1
        try:
            report = partitions.run(LATER)
        except (Killed, OperationalError):  # Django's own clean-up may fail on the lost connection
            kills += 1
        else:
            if report.state == "busy":  # the server has not yet noticed the lost connection
                report = None
        statements.kill_at = None
        connection.close()
        assert rows_everywhere(sql) == rows
    assert kills > 20
    assert report.waiting == (JANUARY, FIRST)
    assert_counts_are_exact()
    assert [
        each for each in catalog.partitions(connection) if each.state not in ("attached", "detached")
    ] == []


def test_an_interrupted_detach_is_finished(
    history: None, database_url_now: str, other_client: Client, sql: Sql
) -> None:
    with psycopg.connect(database_url_now) as reader:
        reader.execute("SELECT count(*) FROM events")
        run = Thread(lambda: partitions.run(LATER))
        detaching = "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND wait_event_type = 'Lock'"
        (pid,) = wait_until(lambda: other_client.execute(detaching, ["%DETACH%CONCURRENTLY"]).fetchone())
        other_client.execute("SELECT pg_terminate_backend(%s)", [pid])
        run.join(60)
    assert isinstance(run.error, OperationalError)
    assert catalog.partitions(connection)[0].state == "detaching"
    assert (Event.objects.count(), counts.rows_of("events")) == (100 - 35, 100)  # a documented limit
    assert partitions.run(LATER).waiting == (JANUARY, FIRST)
    assert rows_everywhere(sql) == 100
    assert_counts_are_exact()


class Thread(threading.Thread):
    """A started thread that keeps its error."""

    def __init__(self, work: Callable[[], object]) -> None:
        """Start the work."""
        super().__init__(daemon=True)
        self.work, self.error = work, None
        self.start()

    def run(self) -> None:
        """Do the work."""
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            connection.close()


def test_no_write_is_lost_at_boundaries(
    plain_database: None, database_url_now: str, settings: LazySettings, sql: Sql
) -> None:
    settings.PARTITION_EVENTS_BY, settings.EVENT_RETENTION_DAYS = "day", 2
    clock, written, stop = [START], [0, 0, 0], threading.Event()

    def write(number: int) -> None:
        with psycopg.connect(database_url_now, autocommit=True) as client:
            while not stop.is_set():
                jitter = timedelta(hours=random.uniform(-6, 6))  # noqa: S311 - no secret
                client.execute(INSERT, [f"{number}", clock[0] + jitter])
                written[number] += 1

    partitions.run(clock[0])
    writers = [Thread(lambda number=number: write(number)) for number in range(len(written))]  # type: ignore[misc]
    detached = 0
    for _ in range(14):
        clock[0] += timedelta(days=1)
        enough = sum(written) + 20
        detached += len(partitions.upkeep(clock[0]).detached)
        while sum(written) < enough and all(writer.is_alive() for writer in writers):
            stop.wait(0.001)
    stop.set()
    for writer in writers:
        writer.join(60)
    assert [writer.error for writer in writers] == [None, None, None]
    assert detached > 3
    assert rows_everywhere(sql) == sum(written)
    assert_counts_are_exact()


def test_without_upkeep_writes_fail_at_the_end_of_the_runway(plain_database: None) -> None:
    until = partitions.run(START).until
    assert until is not None
    with pytest.raises(IntegrityError, match="no partition"):
        Event.objects.create(type="x", created_at=until)
    Event.objects.create(type="x", created_at=until - timedelta(microseconds=1))


def test_the_api_says_that_no_partition_is_left(plain_database: None, as_user: APIClient) -> None:
    partitions.run(START - timedelta(days=400))
    response = as_user.post("/api/v1/jobs/", {"name": "x"})
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert "manage.py partition_events" in response.json()["detail"]
    partitions.run()
    assert as_user.post("/api/v1/jobs/", {"name": "x"}).status_code == 201


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("day", datetime(2026, 11, 28, tzinfo=UTC)),
        ("week", datetime(2026, 11, 30, tzinfo=UTC)),
        ("month", datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_boundaries(period: str, expected: datetime) -> None:
    assert periods.boundary_after(START, period) == expected
    assert periods.boundary_after(expected - timedelta(microseconds=1), period) == expected
    assert periods.boundary_after(expected, period) > expected


def test_another_period_begins_after_the_last_partition(plain_database: None, settings: LazySettings) -> None:
    partitions.run(START)
    settings.PARTITION_EVENTS_BY = "week"
    report = partitions.upkeep(datetime(2027, 3, 1, tzinfo=UTC))
    assert report.created == ("events_20270401", "events_20270405", "events_20270412")
