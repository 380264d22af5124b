"""An API client that sends one request at a time and measures each."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any, Self

from tests.servers.web import HOST

#: After so many idle seconds the server may have closed the connection.
MAX_IDLE_SECONDS = 5


@dataclass(frozen=True)
class ApiResponse:
    """A response, with its latency in milliseconds."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    milliseconds: float

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


class ApiClient:
    """A client with a bearer token, on one keep-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        """Connect at the first request."""
        self._used_at = time.monotonic()
        self._connection = http.client.HTTPConnection(HOST, port, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Any = None) -> ApiResponse:
        """Send a request with an optional JSON body; raise ``RuntimeError`` unless it succeeds."""
        content = None if body is None else json.dumps(body)
        headers = {**self._headers, **({"Content-Type": "application/json"} if content else {})}
        if time.monotonic() - self._used_at > MAX_IDLE_SECONDS:
            self._connection.close()  # http.client connects again
        began = time.perf_counter()
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        received = response.read()
        milliseconds = (time.perf_counter() - began) * 1000
        self._used_at = time.monotonic()
        if response.status >= 400:  # noqa: PLR2004
            text = received[:500].decode(errors="replace")
            raise RuntimeError(f"{method} {path}: {response.status} {text}")
        return ApiResponse(response.status, response.headers, received, milliseconds)
