"""The stream while the cache server, the database or a client fails."""

import os
import socket

import pytest
from django.db import connection

from kyros.stream_server import __main__ as stream_server
from kyros.stream_server.stream_application import SEND_SECONDS
from monitoring import prometheus
from orchestrator import actions
from orchestrator.models import Event
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.web import free_port
from tests.stream.test_following import record

#: More than any socket's buffer holds.
MEGABYTES = 24


@pytest.mark.parametrize("end", ["kill", "freeze"])
def test_events_arrive_without_the_cache_server(stream, follow, valkey_server, end):
    cache = valkey_server()
    server = stream({"REDIS_URL": cache.url})
    client = follow(server).started()
    ids = record("before")
    client.until(lambda each: len(each.events) >= 1)
    getattr(cache, end)()
    ids += record("while", "away")
    client.until(lambda each: len(each.events) >= 3)
    late = follow(server, last=ids[0]).until(lambda each: len(each.events) >= 2)
    cache.thaw() if end == "freeze" else cache.start()
    ids += record("after")
    client.until(lambda each: len(each.events) >= 4)
    late.until(lambda each: len(each.events) >= 3)
    assert (client.ids, late.ids) == (ids, ids[1:])


@pytest.mark.one_engine
def test_events_arrive_without_a_cache(stream, follow):
    client = follow(stream({"REDIS_URL": "none"})).started()
    ids = record("x")
    client.until(lambda each: each.events)
    assert client.ids == ids


@pytest.mark.postgres
def test_the_stream_survives_a_restart_of_the_database(stream, follow):
    client = follow(stream()).started()
    ids = record("x")
    client.until(lambda each: each.events)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    ids += record("y")
    client.until(lambda each: len(each.events) >= 2)
    assert client.ids == ids


@pytest.mark.one_engine
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
def test_the_connection_of_a_client_that_was_cut_off_ends_although_it_does_not_read(settings):
    settings.HOST, settings.STREAM_PORT = "127.0.0.1", free_port()
    listener = stream_server.listener()
    with socket.socket(fileno=os.dup(listener.get_fd())) as same:
        same.listen()
        with socket.create_connection((settings.HOST, settings.STREAM_PORT)), same.accept()[0] as accepted:
            milliseconds = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert milliseconds == 1000 * SEND_SECONDS


@pytest.mark.one_engine
def test_a_slow_client_is_cut_off_and_the_others_go_on(stream, follow):
    server, before = stream(), metric("kyros_stream_cut_off_total")
    slow, client = follow(server, "type=large", reading=False), follow(server).started()
    large = {"text": "x" * 60_000}
    slow.until(lambda _: clients() == 2, "both clients")
    for _ in range(MEGABYTES):
        for _ in range(16):
            actions.record_event(type="large", payload=large)
        if clients() == 1:
            break
    wait_until(lambda: clients() == 1, what="the end of the slow client")
    assert metric("kyros_stream_cut_off_total") == before + 1
    client.until(lambda each: len(each.events) >= Event.objects.count())


@pytest.mark.one_engine
def test_the_process_ends_quietly_while_clients_follow(stream, follow):
    server = stream()
    clients_of_it = [follow(server).started() for _ in range(20)]
    server.process.stop()
    for each in clients_of_it:
        each.until(lambda client: client.ended, "the end of the stream")
    assert "panic" not in server.process.log.read_text()


def metric(name):
    return next(
        (sample.value for sample in prometheus.samples(name.removesuffix("_total")) if sample.name == name), 0
    )


def clients():
    return metric("kyros_stream_clients")


@pytest.mark.one_engine
def test_one_client_more_than_the_limit_is_503_until_another_leaves(stream, follow):
    server = stream(module="tests.stream.for_two_clients")
    first, second = follow(server).started(), follow(server).started()
    refused = follow(server).until(lambda client: client.ended)
    assert (refused.status, refused.lines) == (503, ['{"detail":"Service Unavailable."}'])
    assert int(refused.headers["retry-after"]) > 0
    assert HttpClient(server.url).get("/healthz").status == 200  # a full process is a healthy one
    first.close()
    wait_until(lambda: follow(server).until(lambda client: client.status).status == 200, 30)
    assert not second.ended
