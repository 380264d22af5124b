"""The fast lane and Django's way, asked as a web server asks them."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory
from rest_framework.test import APIClient

from orchestrator.api import wsgi_cache
from orchestrator.api.wsgi_cache import CachedResponseMiddleware
from tests.polling import wait_until


@dataclass(frozen=True)
class Told:
    """What a WSGI application answered, and whether Django was asked."""

    status: int
    headers: dict[str, str]
    body: bytes
    by_django: bool

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Lane:
    """The fast lane before Django, as in `kyros.wsgi`, which tells who answered."""

    asked: int = 0
    django: WSGIHandler = field(default_factory=WSGIHandler)

    def __post_init__(self) -> None:
        self._whole = CachedResponseMiddleware(self._count)

    def _count(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.asked += 1
        return self.django(environ, start_response)

    def get(self, client: APIClient, path: str, **headers: str) -> Told:
        """Ask with a client's token, through the lane."""
        return self._ask(self._whole, client, path, headers)

    def past(self, client: APIClient, path: str, **headers: str) -> Told:
        """Ask with a client's token, past the lane."""
        return self._ask(self._count, client, path, headers)

    def learn(self, client: APIClient, *paths: str) -> None:
        """Ask until the lane itself answers."""
        for path in paths:
            # Where no relay runs, Django is asked for a new lease now and then.
            wait_until(lambda path=path: not self.get(client, path).by_django, what=f"the lane of {path}")

    def _ask(self, application: Any, client: APIClient, path: str, headers: dict[str, str]) -> Told:
        environ = RequestFactory().get(path, **{**client._credentials, **headers}).environ  # noqa: SLF001
        before, started = self.asked, []
        body = b"".join(application(environ, lambda *told: started.append(told)))
        status, got = started[0][:2]
        return Told(int(status[:3]), dict(got), body, self.asked > before)


def forget_lanes() -> None:
    """Make all lanes unknown."""
    wsgi_cache._routes.clear()  # noqa: SLF001
