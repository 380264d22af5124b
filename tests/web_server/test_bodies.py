"""Clients that send slowly, or nothing, hold no thread of the web server."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from tests.http_client import HttpClient
from tests.users import make_user

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True), pytest.mark.slow]

HOST = b"HTTP/1.1\r\nHost: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
#: How a request begins whose body does not come.
UNFINISHED = {
    "length": b"POST /auth/login/ " + HOST + JSON + b"Content-Length: 1000\r\n\r\n{",
    "nothing": b"POST /auth/login/ " + HOST + JSON + b"Content-Length: 1000\r\n\r\n",
    "chunk": b"GET /healthz " + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
}
UNFINISHED_HEADERS = {"headers": b"GET /healthz " + HOST + b"X-Slow: ", "nothing": b""}


@contextmanager
def connections(url: str, count: int, start: bytes) -> Iterator[list[socket.socket]]:
    """Open connections and send the same on each."""
    address = urlsplit(url)
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = socket.create_connection((address.hostname, address.port), timeout=30)
            opened.append(stack.enter_context(connection))
            connection.sendall(start)
        yield opened


def response(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("start", UNFINISHED.values(), ids=UNFINISHED)
def test_others_are_served_while_bodies_do_not_come(web, start):
    make_user("user")
    url = web(workers=1, env={"REQUEST_BODY_TIMEOUT": "300"})
    with connections(url, 100, start):
        client = HttpClient(url).sign_in("user")
        assert client.get("/healthz").status == 200
        assert client.post("/api/v1/jobs/", {"name": "meanwhile"}).status == 201


# More connections than the server's limit of 512 was.
@pytest.mark.parametrize("start", UNFINISHED_HEADERS.values(), ids=UNFINISHED_HEADERS)
def test_others_are_served_while_headers_do_not_come(web, start):
    url = web(workers=1)
    with connections(url, 600, start):
        assert HttpClient(url).get("/healthz").status == 200


@pytest.mark.parametrize("start", UNFINISHED.values(), ids=UNFINISHED)
def test_body_that_takes_too_long_is_408_and_ends_the_connection(web, start):
    url = web(workers=1, env={"REQUEST_BODY_TIMEOUT": "1"})
    with connections(url, 10, start) as opened:
        for connection in opened:
            head, _, body = response(connection).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nconnection: close" in head
            assert b"\r\nx-request-id: " in head
            assert "1 seconds" in json.loads(body)["detail"]


def test_body_that_is_announced_too_large_is_not_read(web):
    start = b"POST /auth/login/ " + HOST + b"Content-Length: 99999999\r\n\r\n{"
    with connections(web(workers=1), 1, start) as (connection,):
        assert response(connection).startswith(b"HTTP/1.1 413 ")


def test_body_in_pieces_is_read_whole(web):
    make_user("user")
    url = web(workers=1)
    token = HttpClient(url).sign_in("user").headers["Authorization"].encode()
    start = b"POST /api/v1/jobs/ " + HOST + JSON + b"Content-Length: 18\r\n"
    with connections(url, 1, start + b"Authorization: " + token + b"\r\nConnection: close\r\n\r\n") as (one,):
        for piece in (b'{"na', b'me": "pie', b'ces"'):
            one.sendall(piece)
            assert HttpClient(url).get("/healthz").status == 200
        one.sendall(b"}")
        answer = response(one)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b'"name":"pieces"' in answer


def test_client_that_leaves_in_the_middle_of_a_body_does_no_harm(web):
    url = web(workers=1)
    with connections(url, 20, UNFINISHED["length"]):
        pass
    with connections(url, 1, UNFINISHED["length"].partition(b"{")[0]) as (connection,):
        connection.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in response(connection)
    assert HttpClient(url).get("/healthz").status == 200


def test_bodies_are_forgotten_with_their_requests(web):
    address = urlsplit(web(workers=1))
    mine = [each for each in psutil.Process().children(recursive=True) if each.name().startswith("python")]
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)

    def memory_after(requests: int) -> int:
        for _ in range(requests):
            connection.request("POST", "/healthz", b"x" * 60_000)
            response = connection.getresponse()
            assert (response.status, response.read()) == (405, b"")
        return max(process.memory_info().rss for process in mine)

    with closing(connection):
        before = memory_after(100)
        assert memory_after(1000) - before < 30_000_000
