"""Responses that are produced while they are sent."""

import http.client
import socket
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from tests.http_client import HttpClient
from tests.polling import wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def url(web):
    return web(workers=1, application="tests.web_server.streaming_app:streaming")


def start_stream(url: str, path: str = "/endless", *, timeout: float = 30) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    connection.request("GET", path)
    return connection


def test_streams_that_nobody_reads_leave_a_thread_and_end_with_their_clients(url):
    client = HttpClient(url)
    with ExitStack() as opened:
        for _ in range(settings.WEB_THREADS - 1):
            connection = opened.enter_context(closing(start_stream(url)))
            assert connection.getresponse().read(100) == b"x" * 100
        assert client.get("/").text == str(settings.WEB_THREADS - 1)
        with closing(start_stream(url)) as refused:
            answer = refused.getresponse()
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    wait_until(lambda: client.get("/").text == "0", what="end of the streams")
    with closing(start_stream(url)) as connection:
        assert connection.getresponse().read(1_000_000) == b"x" * 1_000_000


def test_a_client_that_stops_reading_a_stream_is_cut_off(web):
    url = web(workers=1, application="tests.web_server.streaming_app:impatient")
    client = HttpClient(url)
    with closing(start_stream(url)) as connection:
        assert connection.getresponse().read(100) == b"x" * 100
        wait_until(lambda: client.get("/").text == "0", what="the end of the stream")


def test_a_stream_that_fails_does_not_look_complete(url):
    with closing(start_stream(url, "/broken", timeout=2)) as connection:
        response = connection.getresponse()
        assert response.read(100) == b"x" * 100
        with pytest.raises((http.client.IncompleteRead, TimeoutError)):
            response.read()
    wait_until(lambda: HttpClient(url).get("/").status == 200, what="a response to others")


def test_large_responses_that_nobody_reads_are_bounded_in_bytes(url):
    """Eight responses of 8 MiB may wait for their clients."""
    client = HttpClient(url)
    assert len(client.get("/large").text) == 8 * 1024**2
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as kept:
        for method in ("HEAD", "GET"):
            kept.request(method, "/large")
            assert len(kept.getresponse().read()) == (8 * 1024**2 if method == "GET" else 0)
    with ExitStack() as opened:
        unread = [opened.enter_context(closing(slow_reader(url))) for _ in range(12)]
        for each in unread:
            each.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        statuses = [each.recv(12) for each in unread]
        assert statuses.count(b"HTTP/1.1 200") == 8
        assert statuses.count(b"HTTP/1.1 503") == 4
        assert client.get("/").status == 200
    wait_until(lambda: client.get("/large").status == 200, what="the end of the unread responses")


def slow_reader(url: str) -> socket.socket:
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    parts = urlsplit(url)
    reader.connect((parts.hostname, parts.port))
    return reader
