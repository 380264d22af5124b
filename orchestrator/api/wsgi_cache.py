"""A WSGI middleware that serves cached responses before Django sees the request.

It knows the URLs that the views have served before and that every user may read, with the cache spec of each.
Every other request, or one without a valid token, goes to Django, whose response teaches the middleware.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest

from orchestrator.api.etags import is_known
from orchestrator.auth import cached_users, tokens
from orchestrator.auth.authentication import bearer_token
from orchestrator.cache import lookup
from orchestrator.cache.lookup import UNAVAILABLE, CacheStatus
from orchestrator.cache.spec import CacheSpec, Lookup

Environment = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]
RouteKey = tuple[str | None, ...]

#: Routes that one process remembers, and characters in the key of each: a few megabytes at most.
#: Responses with longer keys are not cached at all.
MAX_ROUTES: Final = 1024
MAX_KEY_LENGTH: Final = 2048

#: The variables that a URL is built from: requests with the same values have the same response.
_KEY_VARIABLES: Final = (
    "wsgi.url_scheme",
    "HTTP_HOST",
    "SERVER_NAME",
    "SERVER_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
)

#: Where in the WSGI environment a view leaves its ``CachedRoute``.
_ROUTE: Final = "orchestrator.cached_route"

#: Headers that this module sets itself, or that belong to a single response.
_OWN_HEADERS: Final = frozenset(
    {"allow", "content-length", "content-type", "etag", "x-cache", "set-cookie", "x-request-id"}
)

_OK: Final = f"{HTTPStatus.OK.value} {HTTPStatus.OK.phrase}"
_NOT_MODIFIED: Final = f"{HTTPStatus.NOT_MODIFIED.value} {HTTPStatus.NOT_MODIFIED.phrase}"
_HIT: Final = ("X-Cache", CacheStatus.HIT.value)
_JSON: Final = ("Content-Type", "application/json")


@dataclass(frozen=True)
class CachedRoute:
    """What is known of a URL: the cache spec of its response, and the response's headers."""

    spec: CacheSpec
    headers: tuple[tuple[str, str], ...] = ()


_routes: OrderedDict[RouteKey, CachedRoute] = OrderedDict()
_lock = threading.Lock()


def remember(request: HttpRequest, spec: CacheSpec) -> None:
    """Let the middleware serve this URL, once the response has been sent, to every user."""
    if not spec.per_user:
        request.META[_ROUTE] = CachedRoute(spec)


class CachedResponseMiddleware:
    """A WSGI application that serves cached responses itself and passes other requests to Django's."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        route = _routes.get(_key(environ)) if _is_plain(environ) else None
        found = _look_up(environ, route) if route else None
        if route is None or found is None:
            return self._application(environ, _learning(environ, start_response))
        return _serve(environ, route, found, start_response)


def _learning(environ: Environment, start_response: StartResponse) -> StartResponse:
    """Return a ``start_response`` that stores the view's route with the headers of its response."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        # The CORS headers of a cross-origin response are for that origin alone.
        route = environ.get(_ROUTE) if "HTTP_ORIGIN" not in environ else None
        if route and status.startswith(str(HTTPStatus.OK.value)):
            repeated = tuple((name, value) for name, value in headers if name.lower() not in _OWN_HEADERS)
            _store(_key(environ), replace(route, headers=repeated))
        return start_response(status, headers, *more)

    return start


def _store(key: RouteKey, route: CachedRoute) -> None:
    if sum(len(part) for part in key if part) > MAX_KEY_LENGTH:
        return
    with _lock:
        _routes[key] = route
        while len(_routes) > MAX_ROUTES:
            _routes.popitem(last=False)


def _key(environ: Environment) -> RouteKey:
    return tuple(map(environ.get, _KEY_VARIABLES))


def _is_plain(environ: Environment) -> bool:
    """Return whether this is a same-origin GET for JSON with a token: no content negotiation, no CORS."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and "HTTP_AUTHORIZATION" in environ
        and "HTTP_ORIGIN" not in environ
        and environ.get("HTTP_ACCEPT", "*/*") in ("*/*", "application/json")
    )


def _look_up(environ: Environment, route: CachedRoute) -> Lookup | None:
    """Return the cached response if there is one and the request's user may read it."""
    try:
        token = bearer_token(environ)
        if token is None:
            return None
        claims = tokens.decode(token)
    except tokens.InvalidToken:
        return None
    user_spec = cached_users.cache_spec(claims.user_id)
    user, found = lookup.look_up_if_trusted(user_spec, route.spec) or (UNAVAILABLE, UNAVAILABLE)
    if user.body is None or found.body is None or not _is_valid(claims, user.body):
        return None
    lookup.count_hits(user_spec, route.spec)
    return found


# The result is the same for each request of a client until the cache entry of the user changes.
@lru_cache(maxsize=4096)
def _is_valid(claims: tokens.Claims, user_entry: bytes) -> bool:
    try:
        tokens.require_valid(claims, cached_users.from_bytes(user_entry))
    except tokens.InvalidToken:
        return False
    return True


def _serve(
    environ: Environment, route: CachedRoute, found: Lookup, start_response: StartResponse
) -> Iterable[bytes]:
    etag = f'"{found.etag}"'
    headers = [*route.headers, ("ETag", etag), _HIT]
    if is_known(environ.get("HTTP_IF_NONE_MATCH", ""), etag):
        status, body = _NOT_MODIFIED, b""
    else:
        status, body = _OK, found.body or b""
        headers.append(_JSON)
    headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]
