"""The plain table becomes a partitioned one while clients use it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from monitoring import index_catalog
from orchestrator import counts, partitions
from orchestrator.models import Event
from orchestrator.partitions import catalog
from tests.partitions.killed_runs import Killed, Statements
from tests.polling import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Sql = Callable[..., list[tuple[Any, ...]]]
Client = psycopg.Connection[tuple[Any, ...]]

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
INSERT = "INSERT INTO events (id, type, payload, created_at) VALUES (gen_random_uuid(), %s, '{}', %s)"
TRIGGERS = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'events'::regclass ORDER BY 1"


def add_events(*ages: timedelta, until: datetime = NOW) -> None:
    Event.objects.bulk_create(
        Event(type=f"kind_{number % 3}", payload={"n": number}, created_at=until - age)
        for number, age in enumerate(ages)
    )


def all_events() -> list[dict[str, Any]]:
    return list(Event.objects.order_by("id").values())


def indexes_of_events() -> set[str]:
    return {index.name for index in index_catalog.existing_indexes(connection) if index.table == "events"}


def test_conversion_keeps_rows_indexes_triggers_and_counts(plain_database: None, sql: Sql) -> None:
    add_events(*(timedelta(days=days) for days in (0, 1, 40, 80)))
    before, indexes, triggers = all_events(), indexes_of_events(), sql(TRIGGERS)
    columns = "SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns"
    of_events = f"{columns} WHERE table_name = 'events' ORDER BY ordinal_position"
    described = sql(of_events)

    report = partitions.run(NOW)

    assert report.converted == "events_until_20270101"
    assert report.created == ("events_20270101", "events_20270201", "events_20270301")
    assert (report.state, report.coming, report.until) == ("partitioned", 3, datetime(2027, 4, 1, tzinfo=UTC))
    assert all_events() == before
    assert indexes_of_events() == indexes
    assert sql(TRIGGERS) == triggers
    assert sql(of_events) == described
    assert all(index.valid for index in index_catalog.all_indexes(connection))
    assert counts.rows_of("events") == 4
    add_events(timedelta(0), timedelta(days=-60))
    Event.objects.filter(created_at__gt=NOW).delete()
    assert counts.rows_of("events") == Event.objects.count() == 5


def test_attaching_scans_no_row(plain_database: None, sql: Sql) -> None:
    add_events(timedelta(0))
    heard: list[str] = []
    connection.ensure_connection()
    connection.connection.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    sql("SET client_min_messages = debug1")
    partitions.run(NOW)
    implied = 'partition constraint for table "events_until_20270101" is implied by existing constraints'
    assert implied in heard


def test_a_dry_run_says_what_the_run_does_and_changes_nothing(plain_database: None, sql: Sql) -> None:
    add_events(timedelta(0))
    catalog_of_all = "SELECT oid, relname, xmin::text FROM pg_class ORDER BY oid"
    before = sql(catalog_of_all)
    planned = partitions.run(NOW, dry_run=True)
    assert sql(catalog_of_all) == before
    done = partitions.run(NOW)
    assert planned.dry_run
    assert (planned.state, done.state) == ("plain", "partitioned")
    assert (planned.converted, planned.created) == (done.converted, done.created)
    assert (planned.coming, planned.until) == (done.coming, done.until)


def test_a_dry_run_after_an_interrupted_conversion_plans_with_its_bound(
    plain_database: None, sql: Sql
) -> None:
    sql(
        "ALTER TABLE events ADD CONSTRAINT ck_events_first_partition"
        " CHECK (created_at < '2027-03-01') NOT VALID"
    )
    planned = partitions.run(NOW, dry_run=True)
    assert planned.converted == "events_until_20270301"
    done = partitions.run(NOW)
    assert (planned.converted, planned.created) == (done.converted, done.created)


def test_the_daily_upkeep_does_not_convert_but_finishes_what_was_begun(
    plain_database: None, statements: Statements, sql: Sql
) -> None:
    assert partitions.upkeep(NOW).state == "plain"
    sql(
        "ALTER TABLE events ADD CONSTRAINT ck_events_first_partition"
        " CHECK (created_at < '2027-01-01') NOT VALID"
    )
    assert partitions.upkeep(NOW).converted == "events_until_20270101"
    assert partitions.upkeep(NOW).converted is None


def test_conversion_can_be_killed_at_any_statement(plain_database: None, statements: Statements) -> None:
    add_events(*(timedelta(days=days) for days in (0, 1, 40)))
    before, indexes, kills = all_events(), indexes_of_events(), 0
    while not catalog.is_partitioned(connection):
        statements.count, statements.kill_at = 0, kills + 1
        try:
            partitions.run(NOW)
        except Killed:
            kills += 1
        statements.kill_at = None
        connection.close()
        assert all_events() == before
    partitions.run(NOW)
    assert kills > 20
    assert indexes_of_events() == indexes
    assert counts.rows_of("events") == 3
    assert all(index.valid for index in index_catalog.all_indexes(connection))


@pytest.mark.parametrize("bound", ["2026-11-27 13:00Z", "2026-11-01Z"])
def test_a_bound_that_is_too_near_or_violated_is_made_anew(
    plain_database: None, sql: Sql, bound: str
) -> None:
    add_events(timedelta(hours=1))
    sql(
        "ALTER TABLE events ADD CONSTRAINT ck_events_first_partition"
        f" CHECK (created_at < '{bound}') NOT VALID"
    )
    assert partitions.run(NOW).converted == "events_until_20270101"


def test_clients_write_during_the_conversion(
    plain_database: None, database_url_now: str, other_client: Client
) -> None:
    add_events(*(timedelta(minutes=minutes) for minutes in range(2000)), until=timezone.now())
    written, failed, stop = [0, 0, 0], list[Exception](), threading.Event()

    def write(number: int) -> None:
        with psycopg.connect(database_url_now, autocommit=True) as client:
            while not stop.is_set():
                try:
                    client.execute(INSERT, [f"{number}", timezone.now()])
                except psycopg.Error as error:
                    failed.append(error)
                    return
                written[number] += 1

    threads = [threading.Thread(target=write, args=[number]) for number in range(len(written))]
    for thread in threads:
        thread.start()
    wait_until(lambda: min(written) > 10)
    converted = partitions.run().converted
    so_far = sum(written)
    wait_until(lambda: sum(written) > so_far + 30 or failed)
    stop.set()
    for thread in threads:
        thread.join()
    assert (converted is not None, failed) == (True, [])
    assert counts.rows_of("events") == Event.objects.count() == 2000 + sum(written)
    for number, rows in enumerate(written):
        assert Event.objects.filter(type=f"{number}").count() == rows


def test_conversion_waits_for_a_long_transaction_and_lets_writers_pass(
    plain_database: None, database_url_now: str, other_client: Client
) -> None:
    with psycopg.connect(database_url_now) as reader:
        reader.execute("SELECT count(*) FROM events")
        done: list[partitions.PartitionReport] = []
        thread = threading.Thread(target=lambda: (done.append(partitions.run()), connection.close()))
        thread.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        for _ in range(2):  # it gives up, and tries again
            wait_until(lambda: other_client.execute(waiting, ["ALTER TABLE events ADD%"]).fetchone())
            other_client.execute(INSERT, ["passed", timezone.now()])
        assert done == []
    thread.join(60)
    assert done[0].state == "partitioned"
    assert Event.objects.filter(type="passed").count() == 2


def test_two_runs_at_once_do_the_work_once(plain_database: None, other_client: Client) -> None:
    other_client.execute("SELECT pg_advisory_lock(hashtextextended('partitions of events', 0))")
    assert partitions.run().state == "busy"
    other_client.execute("SELECT pg_advisory_unlock_all()")
    assert partitions.run().state == "partitioned"


def test_rights_and_owner_are_kept(plain_database: None, sql: Sql) -> None:
    rights = "SELECT relacl::text, relowner FROM pg_class WHERE oid = 'events'::regclass"
    sql("GRANT SELECT, INSERT ON events TO PUBLIC")
    before = sql(rights)
    partitions.run()
    assert sql(rights) == before
