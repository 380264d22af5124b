"""The bundled load generator, over real sockets: it finds the end of every kind of HTTP response."""

import socket
import threading

import pytest

from benchmarks.load import RequestSpec, run_load
from benchmarks.load_client import LoadError, ResponseReader, measure

pytestmark = pytest.mark.engine_neutral

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
# In each, the body holds bytes that look like the end of a head or of a chunked body.
KEEP_ALIVE_RESPONSES = {
    "content-length": OK + b"Content-Length: 13\r\n\r\na\r\n\r\n0\r\n\r\n--b",
    "empty body": OK + b"content-length: 0\r\n\r\n",
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n7\r\n0\r\n\r\n\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "chunked, with an extension and a trailer": OK
    + b"transfer-encoding: chunked\r\n\r\n3;name=value\r\nabc\r\n0\r\nServer-Timing: db\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nServer: test\r\n\r\n",
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 45000\r\n\r\n",
}
CLOSING_RESPONSES = {
    "content-length, connection: close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
    "ended by closing the connection": OK + b"\r\nok\r\n\r\n",
}
RESPONSES = KEEP_ALIVE_RESPONSES | CLOSING_RESPONSES


def by_name(responses):
    return pytest.mark.parametrize("response", responses.values(), ids=responses.keys())


class ScriptedServer:
    """Sends the same bytes for every request, and keeps count."""

    def __init__(self, response, *, closes):
        self.response = response
        self.closes = closes
        self.requests = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.threads.append(threading.Thread(target=self.serve, args=[connection], daemon=True))
            self.threads[-1].start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            while request := self.read_request(stream):
                self.requests.append(request)
                try:
                    connection.sendall(self.response)
                except OSError:
                    return
                if self.closes:
                    return

    def read_request(self, stream):
        try:
            lines = [line := stream.readline()]
            while line not in (b"\r\n", b""):
                lines.append(line := stream.readline())
        except OSError:
            return b""
        return b"".join(lines)

    def close(self):
        if self.listener.fileno() == -1:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def serve():
    servers = []

    def serve(response, *, closes=False):
        servers.append(ScriptedServer(response, closes=closes))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def spec(server, **changes):
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "method": "GET",
        "path": "/",
        "headers": {},
        "body": "",
        "seconds": 0.1,
        "connections": 3,
        "first": 0,
        **changes,
    }


@pytest.fixture
def connection_pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@by_name(KEEP_ALIVE_RESPONSES)
def test_a_response_that_arrives_byte_by_byte_ends_with_its_last_byte(connection_pair, response) -> None:
    ours, theirs = connection_pair
    reader = ResponseReader(ours)
    for _ in range(2):  # the second response begins where the first ended
        reader.begin()
        complete = []
        for byte in response:
            theirs.sendall(bytes([byte]))
            complete.append(reader.read())
        assert complete == [False] * (len(response) - 1) + [True]
        assert reader.keeps_alive


@by_name(RESPONSES)
def test_a_response_that_arrives_at_once_is_complete(connection_pair, response) -> None:
    ours, theirs = connection_pair
    reader = ResponseReader(ours)
    theirs.sendall(response)
    if response in CLOSING_RESPONSES.values():
        theirs.close()
    while not reader.read():
        pass
    assert reader.keeps_alive is (response in KEEP_ALIVE_RESPONSES.values())


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_body_larger_than_the_buffer_is_skipped(connection_pair, framing) -> None:
    ours, theirs = connection_pair
    body = b"x" * 1_000_003
    if framing == "chunked":
        chunks = (body[at : at + 70_001] for at in range(0, len(body), 70_001))
        coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        response = OK + b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"
    else:
        response = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    sender = threading.Thread(target=theirs.sendall, args=[response])
    sender.start()
    reader = ResponseReader(ours)
    while not reader.read():
        pass
    sender.join()
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):  # nothing is left to read
        ours.recv(1)


@by_name(KEEP_ALIVE_RESPONSES)
def test_every_response_is_counted_and_connections_are_kept(serve, response) -> None:
    server = serve(response)
    result = measure(spec(server))
    server.close()
    assert 0 < result["requests"] <= len(server.requests) <= result["requests"] + 3
    assert server.connections == 3


@by_name(CLOSING_RESPONSES)
def test_a_closed_connection_is_opened_again(serve, response) -> None:
    server = serve(response, closes=True)
    result = measure(spec(server))
    server.close()
    assert 0 < result["requests"] <= len(server.requests) <= server.connections <= result["requests"] + 3


def test_a_constant_request_is_the_same_every_time(serve) -> None:
    server = serve(KEEP_ALIVE_RESPONSES["204"])
    measure(spec(server, path="/list/?limit=1", headers={"Accept": "application/json"}))
    head = f"GET /list/?limit=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAccept: application/json\r\n\r\n"
    assert set(server.requests) == {head.encode()}


def test_a_numbered_request_is_another_one_every_time(serve) -> None:
    server = serve(KEEP_ALIVE_RESPONSES["204"])
    measure(spec(server, path="/list/?n={n}&limit=1", first=10))
    server.close()
    lines = {request.partition(b" HTTP")[0] for request in server.requests}
    assert lines == {b"GET /list/?n=%d&limit=1" % (11 + number) for number in range(len(server.requests))}


@pytest.mark.parametrize(
    ("response", "closes", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", False, "404 Not Found"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False, "503"),
        (OK + b"Content-Length: 10\r\n\r\nhalf", True, "closed the connection before the end"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhalf", True, "closed the connection before the end"),
        (OK + b"X: " + b"x" * 300_000, False, "headers are too long"),
        (OK, False, "no response within"),
    ],
    ids=["404", "503", "broken off", "broken off, chunked", "endless headers", "no response"],
)
def test_a_failure_ends_the_run(serve, response, closes, message) -> None:
    server = serve(response, closes=closes)
    with pytest.raises(LoadError, match=message):
        measure(spec(server, seconds=1 if message != "no response within" else 0.1))


@by_name(RESPONSES)
def test_the_process_that_make_bench_starts_prints_the_result(serve, monkeypatch, response) -> None:
    monkeypatch.setattr("benchmarks.load.WRK", None)
    server = serve(response, closes=response in CLOSING_RESPONSES.values())
    result = run_load(server.port, RequestSpec("/"), seconds=0.1, connections=2)
    assert 0 < result.requests <= len(server.requests)
    assert 0 < result.p50_ms <= result.p99_ms
