"""Fixtures of the tests of the event stream."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from orchestrator.auth.tokens import issue_tokens
from orchestrator.models import User
from tests.servers.stream import PATH, StreamClient, StreamServer


@pytest.fixture
def stream(
    transactional_db: None, database_url: str, tmp_path: Path
) -> Iterator[Callable[..., StreamServer]]:
    """A function that starts the stream's process on this test's database: ``stream({"PORT": "1"})``."""
    servers: list[StreamServer] = []

    def start(env: Mapping[str, str] | None = None, module: str = "") -> StreamServer:
        log = tmp_path / f"stream{len(servers)}.log"
        servers.append(StreamServer(log, {"DATABASE_URL": database_url, **(env or {})}, module=module))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., StreamClient]]:
    """A function that sends a request to a stream: ``connect(server, "ticket=…", {"Cookie": "…"})``."""
    clients: list[StreamClient] = []

    def start(
        server: StreamServer, query: str = "", headers: Mapping[str, str] | None = None, **more: bool
    ) -> StreamClient:
        clients.append(StreamClient(f"{server.url}{PATH}?{query}", headers or {}, **more))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def follow(user: User, connect: Callable[..., StreamClient]) -> Callable[..., StreamClient]:
    """A function that follows a stream as ``user``: ``follow(server, "type=job_failed", last="…")``."""

    def start(server: StreamServer, query: str = "", last: str = "", **more: bool) -> StreamClient:
        headers = {"Authorization": f"Bearer {issue_tokens(user)['access_token']}"}
        if last:
            headers["Last-Event-ID"] = last
        return connect(server, query, headers, **more)

    return start
