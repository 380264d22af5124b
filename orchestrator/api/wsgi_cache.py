"""A WSGI middleware that serves cached responses before Django sees the request.

``CachedResponseMiddleware`` knows the URLs whose responses the views have served before, and the cache spec of
each; it knows nothing of routes, filters or hosts. A request that it does not know, or that carries no valid
token, goes to Django, whose response teaches it. What it serves is what the view would serve: from the same
cache, for the same cached user, under the same role, in one round trip.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest

from orchestrator.api import cache_policy
from orchestrator.api.etags import is_known
from orchestrator.auth import tokens
from orchestrator.auth.authentication import bearer_token
from orchestrator.cache import reads
from orchestrator.cache.questions import Found, Question
from orchestrator.cache.reads import NOTHING, Outcome
from orchestrator.choices import Role

Environment = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]

#: Addresses remembered at most, a kilobyte each: of more, few are asked for again before they are stale.
MAX_ROUTES: Final = 1024

#: What makes an address: where these are the same, so is the answer.
_ADDRESS: Final = (
    "wsgi.url_scheme",
    "HTTP_HOST",
    "SERVER_NAME",
    "SERVER_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
)

#: Where in a request's environment a view leaves its question.
_OFFER: Final = "orchestrator.question"

#: Headers of a view's answer that the lane makes itself, or that belong to the one answer they came with.
_OWN_HEADERS: Final = frozenset(
    {"allow", "content-length", "content-type", "etag", "x-cache", "set-cookie", "x-request-id"}
)

_OK: Final = f"{HTTPStatus.OK.value} {HTTPStatus.OK.phrase}"
_NOT_MODIFIED: Final = f"{HTTPStatus.NOT_MODIFIED.value} {HTTPStatus.NOT_MODIFIED.phrase}"
_HIT: Final = ("X-Cache", Outcome.HIT.value)
_JSON: Final = ("Content-Type", "application/json")


@dataclass(frozen=True)
class CachedRoute:
    """What is known of an address: its question, who may ask it, and the headers of its answers."""

    question: Question
    needs: Role
    headers: tuple[tuple[str, str], ...]


_routes: OrderedDict[tuple[Any, ...], CachedRoute] = OrderedDict()
_lock = threading.Lock()


def remember(request: HttpRequest, question: Question, needs: Role) -> None:
    """Offer the question of the address that is being answered: the lane takes it when the answer is out.

    Args:
        request: what was asked.
        question: what its answer is kept under.
        needs: the least role that may ask.
    """
    if not question.personal:
        request.META[_OFFER] = (question, needs)


class CachedResponseMiddleware:
    """A WSGI application that serves cached answers itself and leaves the rest to another one.

    Args:
        application: Django's.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        lane = _routes.get(_address(environ)) if _is_plain(environ) else None
        found = _answer(environ, lane) if lane else None
        if lane is None or found is None:
            return self._application(environ, _learning(environ, start_response))
        return _serve(environ, lane, found, start_response)


def _learning(environ: Environment, start_response: StartResponse) -> StartResponse:
    """Return a ``start_response`` that remembers what a view has offered, with its answer's headers."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        # What a request from another site is told, of who may read it, is for that site alone.
        offered = environ.get(_OFFER) if "HTTP_ORIGIN" not in environ else None
        if offered and status.startswith(str(HTTPStatus.OK.value)):
            repeated = tuple((name, value) for name, value in headers if name.lower() not in _OWN_HEADERS)
            question, needs = offered
            _remember(_address(environ), CachedRoute(question, needs, _shared(repeated)))
        return start_response(status, headers, *more)

    return start


@lru_cache(maxsize=64)
def _shared(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the headers, the same object for all lanes that have the same."""
    return headers


def _remember(address: tuple[Any, ...], lane: CachedRoute) -> None:
    with _lock:
        _routes[address] = lane
        while len(_routes) > MAX_ROUTES:
            _routes.popitem(last=False)


def _address(environ: Environment) -> tuple[Any, ...]:
    return tuple(map(environ.get, _ADDRESS))


def _is_plain(environ: Environment) -> bool:
    """Tell whether a request asks for JSON, with a token, from no other site: nothing to be weighed."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and "HTTP_AUTHORIZATION" in environ
        and "HTTP_ORIGIN" not in environ
        and environ.get("HTTP_ACCEPT", "*/*") in ("*/*", "application/json")
    )


def _answer(environ: Environment, lane: CachedRoute) -> Found | None:
    """Return what the cache has for who may have it."""
    try:
        token = bearer_token(environ)
        if token is None:
            return None
        claims = tokens.decode(token)
        who = cache_policy.account(claims.user_id)
        known, found = reads.peek(who, lane.question) or (NOTHING, NOTHING)
    except tokens.InvalidToken:
        return None
    if known.body is None or found.body is None or not _admits(claims, known.body, lane.needs):
        return None
    reads.count_hits(who, lane.question)
    return found


# Whoever asks, asks again, and is the same until the account changes.
@lru_cache(maxsize=4096)
def _admits(claims: tokens.Claims, kept: bytes, needs: Role) -> bool:
    """Tell whether claims stand for an account, as the cache keeps it now, that may do what ``needs`` may."""
    try:
        return tokens.user_in(claims, kept).role.covers(needs)
    except tokens.InvalidToken:
        return False


def _serve(
    environ: Environment, lane: CachedRoute, found: Found, start_response: StartResponse
) -> Iterable[bytes]:
    etag = f'"{found.etag}"'
    headers = [*lane.headers, ("ETag", etag), _HIT]
    if is_known(environ.get("HTTP_IF_NONE_MATCH", ""), etag):
        status, body = _NOT_MODIFIED, b""
    else:
        status, body = _OK, found.body or b""
        headers.append(_JSON)
    headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]
