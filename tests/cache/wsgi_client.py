"""Calls the middleware of cached responses, and Django behind it, as a web server does."""

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
class WSGIResponse:
    """The response of a WSGI application, and whether it came from Django."""

    status: int
    headers: dict[str, str]
    body: bytes
    by_django: bool

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class MiddlewareClient:
    """The middleware in front of Django, as in ``kyros.wsgi``; it counts the requests that reach Django."""

    django_calls: int = 0
    django: WSGIHandler = field(default_factory=WSGIHandler)

    def __post_init__(self) -> None:
        self._middleware = CachedResponseMiddleware(self._call_django)

    def _call_django(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.django_calls += 1
        return self.django(environ, start_response)

    def get(self, client: APIClient, path: str, **headers: str) -> WSGIResponse:
        """Send a request with a client's token through the middleware."""
        return self._send(self._middleware, client, path, headers)

    def get_from_django(self, client: APIClient, path: str, **headers: str) -> WSGIResponse:
        """Send a request with a client's token to Django directly."""
        return self._send(self._call_django, client, path, headers)

    def remember(self, client: APIClient, *paths: str) -> None:
        """Request each path until the middleware itself serves it."""
        for path in paths:
            wait_until(
                lambda path=path: not self.get(client, path).by_django, what=f"the middleware serving {path}"
            )

    def _send(self, application: Any, client: APIClient, path: str, headers: dict[str, str]) -> WSGIResponse:
        environ = RequestFactory().get(path, **{**client._credentials, **headers}).environ  # noqa: SLF001
        before, started = self.django_calls, []
        body = b"".join(application(environ, lambda *arguments: started.append(arguments)))
        status, response_headers = started[0][:2]
        return WSGIResponse(int(status[:3]), dict(response_headers), body, self.django_calls > before)


def forget_routes() -> None:
    """Make the middleware forget all routes."""
    wsgi_cache._routes.clear()  # noqa: SLF001
