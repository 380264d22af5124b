"""An HTTP client for servers that run in separate processes."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from tests.users import PASSWORD

TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Message
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class HttpClient:
    """Sends requests to the server at ``url``, each over a new connection, so that any worker may get it."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def sign_in(self, username: str, password: str = PASSWORD) -> "HttpClient":
        """Sign in; later requests carry the bearer token."""
        response = self.post("/auth/login/", {"username": username, "password": password})
        assert response.status == 200, response.text
        self.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return self

    def get(self, path: str) -> Response:
        return self._send(urllib.request.Request(f"{self.url}{path}", headers=self.headers))  # noqa: S310

    def post(self, path: str, body: Any) -> Response:
        return self.send("POST", path, body)

    def patch(self, path: str, body: Any) -> Response:
        return self.send("PATCH", path, body)

    def send(self, method: str, path: str, body: Any) -> Response:
        headers = {**self.headers, "Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._send(
            urllib.request.Request(f"{self.url}{path}", data=data, headers=headers, method=method)  # noqa: S310
        )

    def _send(self, request: urllib.request.Request) -> Response:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - our own http URL
                return Response(
                    status=response.status, headers=response.headers, text=response.read().decode()
                )
        except urllib.error.HTTPError as error:
            with error:
                return Response(status=error.code, headers=error.headers, text=error.read().decode())
