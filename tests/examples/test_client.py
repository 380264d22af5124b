"""The client of `examples/`: when it repeats a request, and when it signs in again."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, NamedTuple

import kyros_client
import pytest
from kyros_client import ApiError, Client, server_sent_events

pytestmark = pytest.mark.engine_neutral


class Reply(NamedTuple):
    """What the server does with a request; status 0 breaks the connection."""

    status: int
    body: Any = None
    headers: dict[str, str] = {}


class ScriptedServer(ThreadingHTTPServer):
    """Gives the next of its replies to each request, and keeps what it was sent."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = list(replies)
        self.requests: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, *_ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers), json.loads(body or b"null")))
        status, document, headers = self.server.replies.pop(0)
        if not status:
            self.close_connection = True
            return
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _reply  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer([]) as started:
        threading.Thread(target=started.serve_forever, daemon=True).start()
        yield started
        started.shutdown()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the client, which takes none."""
    taken: list[float] = []
    # Not the module's own function, which other threads of the test process call as well.
    without_pauses = SimpleNamespace(**{**vars(time), "sleep": taken.append})
    monkeypatch.setattr(kyros_client, "time", without_pauses)
    return taken


JOB = {"id": "1", "lease_token": "2"}
TOKENS = {"access_token": "new", "refresh_token": "newer"}


@pytest.fixture
def connect(server: ScriptedServer) -> Iterator[Callable[..., Client]]:
    """A function that returns a client with a token, and other options."""
    clients: list[Client] = []

    def start(**options: Any) -> Client:
        clients.append(Client(server.url, token="old", trust_env=False, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.mark.parametrize("failure", [Reply(0), Reply(503), Reply(500), Reply(429)])
def test_a_submission_is_repeated_with_its_key(connect, server, pauses, failure):
    server.replies = [failure, failure, Reply(201, {"id": "1"})]
    assert connect().submit("x", priority=5) == {"id": "1"}
    assert len(pauses) == 2
    keys = {headers["Idempotency-Key"] for _, headers, _ in server.requests}
    assert len(keys) == 1
    assert {json.dumps(body) for *_, body in server.requests} == {'{"name": "x", "priority": 5}'}


def test_retry_after_is_honoured(connect, server, pauses):
    server.replies = [Reply(429, {}, {"Retry-After": "7"}), Reply(503, {}, {"Retry-After": "3"}), Reply(200)]
    connect().report(JOB, "completed")
    assert [pause >= least for pause, least in zip(pauses, (7, 3), strict=True)] == [True, True]


def test_pauses_grow_with_full_jitter_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(kyros_client.random, "uniform", lambda low, high: high)
    longest = [kyros_client.pause_seconds(attempt) for attempt in range(8)]
    assert longest == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert kyros_client.pause_seconds(10**9) == 20


@pytest.mark.parametrize("failure", [Reply(0), Reply(503), Reply(429)])
def test_a_claim_is_not_repeated(connect, server, pauses, failure):
    server.replies = [failure, Reply(200, {"jobs": [JOB]})]
    with pytest.raises((ApiError, kyros_client.httpx.TransportError)):
        connect().claim("ada")
    assert (len(server.requests), pauses) == (1, [])


def test_what_the_service_refuses_is_not_repeated(connect, server, pauses):
    server.replies = [Reply(409, {"detail": "no", "status": "cancelled"})]
    with pytest.raises(ApiError) as refused:
        connect().heartbeat(JOB, progress=5)
    assert (refused.value.status, refused.value.body["status"], pauses) == (409, "cancelled", [])


def test_a_request_is_given_up_when_its_time_is_over(connect, server, pauses, monkeypatch):
    monkeypatch.setattr(kyros_client.time, "monotonic", iter(range(0, 1000, 25)).__next__)
    server.replies = [Reply(503)] * 5
    with pytest.raises(ApiError):
        connect().report(JOB, "completed")
    assert 1 < len(server.requests) < 5


def test_a_token_that_has_expired_is_refreshed_once_and_kept(connect, server):
    server.replies = [Reply(401), Reply(200, TOKENS), Reply(200), Reply(200)]
    client = connect(refresh_token="r")
    client.report(JOB, "completed")
    client.report(JOB, "completed")
    status = "/api/v1/jobs/1/status/"
    assert server.paths == [status, "/auth/refresh/", status, status]
    assert [headers.get("Authorization") for _, headers, _ in server.requests] == [
        "Bearer old",
        None,
        "Bearer new",
        "Bearer new",
    ]


def test_without_a_valid_refresh_token_it_signs_in_with_the_password(connect, server):
    server.replies = [Reply(401), Reply(401), Reply(200, TOKENS), Reply(200)]
    connect(refresh_token="r", username="ada", password="secret").report(JOB, "completed")
    assert server.paths[1:3] == ["/auth/refresh/", "/auth/login/"]
    assert server.requests[2][2] == {"username": "ada", "password": "secret"}


def test_without_more_than_a_token_a_401_is_final(connect, server):
    server.replies = [Reply(401)]
    with pytest.raises(ApiError):
        connect().report(JOB, "completed")


def test_every_row_of_a_list_is_read(connect, server):
    server.replies = [
        Reply(200, {"next": f"{server.url}/api/v1/jobs/?cursor=a", "results": [1, 2]}),
        Reply(200, {"next": f"{server.url}/api/v1/jobs/?cursor=b", "results": []}),
        Reply(200, {"next": None, "results": [3]}),
    ]
    assert list(connect().rows("/api/v1/jobs/")) == [1, 2, 3]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_are_found_wherever_the_stream_is_cut(size):
    text = (
        ': ok\nretry: 5\n\nid: 1\ndata: {"a": "é\u2028"}\n\n: x\n\nid:2\r\ndata:{}\r\n\r\nid: 3\ndata: {"cut'
    )
    stream = text.encode()
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert list(server_sent_events(chunks)) == [("1", {"a": "é\u2028"}), ("2", {})]
