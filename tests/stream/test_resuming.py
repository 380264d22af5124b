"""Resuming the stream with ``Last-Event-ID``: no gap and no repeat, whoever writes, and whatever dies."""

import threading
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, connections

from orchestrator.db.ids import new_id
from orchestrator.models import Event
from tests.stream.test_following import record

WRITERS = 3
EVENTS_A_WRITER = 40


def test_a_client_resumes_after_its_last_event(stream, follow):
    server = stream()
    client = follow(server).started()
    first = record("one", "two", "three")
    client.until(lambda each: len(each.events) >= 3)
    client.close()
    missed = record("one", "two")
    last = client.last_event_id
    resumed = follow(server, last=last).until(lambda each: len(each.events) >= 2)
    by_parameter = follow(server, f"last_event_id={last}").until(lambda each: len(each.events) >= 2)
    filtered = follow(server, "type=two", last=first[0]).until(lambda each: len(each.events) >= 2)
    live = record("two")
    for each, expected in (
        (resumed, missed + live),
        (by_parameter, missed + live),
        (filtered, [first[1], missed[1], *live]),
    ):
        each.until(lambda found, expected=expected: len(found.events) >= len(expected))
        assert each.ids == expected


def test_a_client_that_missed_many_events_gets_them_in_pages(stream, follow):
    first = record("first")
    Event.objects.bulk_create(Event(type="x", payload={"n": n}) for n in range(1000))
    ids = [str(each) for each in Event.objects.filter(type="x").order_by("id").values_list("pk", flat=True)]
    client = follow(stream(), last=first[0]).until(lambda each: len(each.events) >= 1000)
    assert client.ids == ids


def test_a_client_resumes_while_the_hub_is_behind(stream, follow):
    server = stream()
    other = follow(server).started()
    (first,) = record("first")
    other.until(lambda each: each.events)
    Event.objects.bulk_create(Event(type="x") for _ in range(2000))
    resumed = follow(server, last=first).until(lambda each: len(each.events) >= 2000)
    record("last")
    resumed.until(lambda each: each.events[-1]["type"] == "last")
    assert len(resumed.ids) == len(set(resumed.ids)) == 2001


def write(alias_free_number, started):
    """Write events in transactions of several, some of which stay open while others commit."""
    with closing(connections["default"]):
        for number in range(EVENTS_A_WRITER):
            Event.objects.bulk_create(
                Event(type="x", payload={"by": alias_free_number}) for _ in range(number % 3 + 1)
            )
            started.set()


def commit_late(url, turns):
    """Hold a transaction open on PostgreSQL while others commit, again and again."""
    with psycopg.connect(url) as late:
        for _ in range(turns):
            late.execute("INSERT INTO events (id, type) VALUES (%s, 'late')", [new_id()])
            record("between", "between")
            late.commit()
    connections.close_all()


def test_no_event_is_lost_or_repeated_while_clients_and_the_process_die(stream, follow, database_url):
    server = stream()
    client = follow(server).started()
    started, got = threading.Event(), []
    writers = [threading.Thread(target=write, args=(number, started)) for number in range(WRITERS)]
    if connection.vendor == "postgresql":
        writers.append(threading.Thread(target=commit_late, args=(database_url, EVENTS_A_WRITER)))
    for each in writers:
        each.start()
    for turn in range(6):
        client.until(lambda each: each.events)
        if turn % 3 == 2:
            server.process.kill()
            client.until(lambda each: each.ended, "the end of the stream")
            server.start()
        client.close()
        client.until(lambda each: each.ended, "the end of the stream")
        got += client.ids
        last = client.last_event_id
        record("again")
        client = follow(server, last=last)
    for each in writers:
        each.join()
    expected = {str(each) for each in Event.objects.values_list("pk", flat=True)}
    client.until(lambda each: len(got) + len(each.events) >= len(expected))
    got += client.ids
    assert len(got) == len(set(got))
    assert set(got) == expected


@pytest.mark.sqlite
def test_rows_may_get_new_numbers_and_be_deleted(stream, follow):
    server = stream()
    client = follow(server).started()
    ids = record("a", "b", "c")
    client.until(lambda each: len(each.events) >= 3)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events WHERE id IN (%s, %s)", [each.replace("-", "") for each in ids[:2]])
        cursor.execute("VACUUM")
    ids += record("d")
    client.until(lambda each: len(each.events) >= 4)
    Event.objects.all().delete()
    assert follow(server, last=ids[-1]).until(lambda each: each.ended).status == 400
    marker = uuid4()

    def arrived(each):
        record(str(marker))
        return any(event["type"] == str(marker) for event in each.events)

    client.until(arrived)
