"""One client that asks one thing after the other."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any, Self

from tests.servers.web import HOST

#: Seconds after which the server may have closed a connection.
IDLE_SECONDS = 5


@dataclass(frozen=True)
class Answer:
    """An answer, and the milliseconds it took."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    milliseconds: float

    def json(self) -> Any:
        """Return what the body says."""
        return json.loads(self.body)


class Client:
    """A client with a token, on one connection."""

    def __init__(self, port: int, token: str) -> None:
        """Connect at the first request."""
        self._asked_at = time.monotonic()
        self._connection = http.client.HTTPConnection(HOST, port, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask and return the answer; raise ``RuntimeError`` unless it is a success."""
        content = None if body is None else json.dumps(body)
        headers = {**self._headers, **({"Content-Type": "application/json"} if content else {})}
        if time.monotonic() - self._asked_at > IDLE_SECONDS:
            self._connection.close()  # it opens again by itself
        began = time.perf_counter()
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        answered = response.read()
        took = (time.perf_counter() - began) * 1000
        self._asked_at = time.monotonic()
        if response.status >= 400:  # noqa: PLR2004
            raise RuntimeError(
                f"{method} {path}: {response.status} {answered[:500].decode(errors='replace')}"
            )
        return Answer(response.status, response.headers, answered, took)
