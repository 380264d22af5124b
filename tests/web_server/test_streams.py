"""Responses that are produced while they are sent."""

import http.client
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


def start_stream(url: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", "/endless")
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
