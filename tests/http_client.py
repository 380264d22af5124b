"""A client of a server that runs as a process of its own."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from tests.users import PASSWORD

TIMEOUT = 30


@dataclass(frozen=True)
class Response:
    """What the server answered."""

    status: int
    headers: Message
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class HttpClient:
    """Asks the server at ``url``, each time over a connection of its own: any worker may get it."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def sign_in(self, username: str, password: str = PASSWORD) -> "HttpClient":
        """Sign in and bring the bearer token from then on."""
        answer = self.post("/auth/login/", {"username": username, "password": password})
        assert answer.status == 200, answer.text
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
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
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - our own address
                return Response(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as refused:
            with refused:
                return Response(refused.code, refused.headers, refused.read().decode())
