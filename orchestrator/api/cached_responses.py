"""Serves responses from the cache: before the framework runs where possible, else in place of an action."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator.api import wsgi_cache
from orchestrator.api.cache_policy import SpecBuilder
from orchestrator.api.etags import make_conditional
from orchestrator.api.renderers import JSONRenderer
from orchestrator.auth import cached_users, tokens
from orchestrator.auth.authentication import bearer_token
from orchestrator.auth.cached_users import CachedUser
from orchestrator.auth.permissions import required_role
from orchestrator.cache import lookup as cache_lookup
from orchestrator.cache import signing
from orchestrator.cache.lookup import CachedResponse, CacheStatus
from orchestrator.cache.spec import CacheSpec, Lookup
from orchestrator.choices import Role
from orchestrator.db import replicas
from orchestrator.json_codec import to_json

Action = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class RequestContext:
    """A GET request for JSON whose token and role ``dispatch`` has checked, and the cache lookup for it."""

    user: CachedUser
    token: str
    spec: CacheSpec
    lookup: Lookup


def cached(action: Action) -> Action:
    """Decorate an action of ``CachedResponses``: it runs only where the cache has no response."""

    @wraps(action)
    def cached_action(
        view: "CachedResponses", request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        return view.respond(request, partial(action, view, request, *args, **kwargs))

    return cached_action


class CachedResponses:
    """A view set whose JSON responses may come from the cache.

    ``dispatch`` serves a cached response to a request with a bearer token in one round trip: no query, no
    serializer. Every other request goes through the framework; an action decorated with ``cached`` then runs
    only where the cache has no response.
    """

    #: The cache policy of each action that is decorated with ``cached``.
    cache_policy: ClassVar[Mapping[str, SpecBuilder]] = {}
    #: The lowest role that may run an action; ``user`` for actions that are not named.
    roles: ClassVar[Mapping[str, Role]] = {}
    #: False for the audit, which compares the cache with the database (see ``replay``).
    use_cache = True

    request_context: RequestContext | None = None
    action_map: dict[str, str]
    kwargs: dict[str, Any]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the response to a request."""
        if request.method == "GET" and self.use_cache and _accepts_json(request):
            self.kwargs = kwargs
            context = self.request_context = self._context(request)
            if context is not None and context.lookup.body is not None:
                return self._serve(request, context.spec, context.lookup, build=bytes)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and authorize the request, unless ``dispatch`` has done it."""
        context = self.request_context
        if context is None:
            super().initial(request, *args, **kwargs)  # type: ignore[misc]
            return
        request.user, request.auth = context.user.as_user(), context.token
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        self.format_kwarg = None

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:  # noqa: FBT001, FBT002 - the framework's
        """Return the renderer of the response and its media type."""
        if _accepts_json(request._request):  # noqa: SLF001 - Django's request
            return JSONRenderer(), JSONRenderer.media_type
        negotiated: tuple[Any, str] = super().perform_content_negotiation(request, force)  # type: ignore[misc]
        return negotiated

    def respond(self, request: Request, run: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """Return the response to an authorized request: cached, else built and cached where that is safe."""
        if not self.use_cache or request.accepted_renderer.format != "json":
            return run()
        plain, context = request._request, self.request_context  # noqa: SLF001 - Django's request
        # Called after the cache has named the generations of the response: a replica is never older.
        build = partial(replicas.read, lambda: body_of(run()))
        if context is not None:
            return self._serve(plain, context.spec, context.lookup, build)
        spec = self.cache_spec(self._action, plain, self.kwargs.get("pk"), cast("UUID", request.user.pk))
        if spec is None:
            body = build()
            return _response(plain, CachedResponse(body, signing.etag_of(body), CacheStatus.BYPASS))
        (lookup,) = cache_lookup.look_up(spec)
        return self._serve(plain, spec, lookup, build)

    @classmethod
    def cache_spec(cls, action: str, request: HttpRequest, pk: str | None, user_id: UUID) -> CacheSpec | None:
        """Return the cache spec of an action's response to a user, or None if it must not be cached."""
        build = cls.cache_policy.get(action)
        if build is None:
            return None
        try:
            spec = build(request, None if pk is None else UUID(pk), user_id)
        except ValueError:  # the id is no UUID
            return None
        return None if spec is None or len(spec.key) > wsgi_cache.MAX_KEY_LENGTH else spec

    def _context(self, request: HttpRequest) -> RequestContext | None:
        """Return the request's context, or None if the framework must handle it, for example to refuse it."""
        try:
            token = bearer_token(request.META)
            if token is None:
                return None
            claims = tokens.decode(token)
            spec = self.cache_spec(self._action, request, self.kwargs.get("pk"), claims.user_id)
            if spec is None:
                return None
            user_lookup, lookup = cache_lookup.look_up(cached_users.cache_spec(claims.user_id), spec)
            needs_current = self._required_role != Role.USER
            user = tokens.current_user_for(claims) if needs_current else tokens.user_for(claims, user_lookup)
        except (tokens.InvalidToken, OperationalError, InterfaceError):
            return None
        return RequestContext(user, token, spec, lookup) if user.role.covers(self._required_role) else None

    def _serve(
        self, request: HttpRequest, spec: CacheSpec, lookup: Lookup, build: Callable[[], bytes]
    ) -> HttpResponse:
        cached_response = cache_lookup.get_or_build(spec, lookup, build)
        if self._required_role == Role.USER:
            wsgi_cache.remember(request, spec)
        return _response(request, cached_response)

    @property
    def _required_role(self) -> Role:
        return required_role(self, self._action)

    @property
    def _action(self) -> str:
        """The action of GET, which HEAD runs too."""
        return str(self.action_map.get("get", ""))


def body_of(response: HttpResponseBase) -> bytes:
    """Return the JSON of a view's response."""
    return to_json(response.data) if isinstance(response, Response) else response.content  # type: ignore[attr-defined]


def _response(request: HttpRequest, cached_response: CachedResponse) -> HttpResponse:
    """Return a response with ``ETag`` and ``X-Cache``; a 304 if the client has this representation."""
    response = HttpResponse(cached_response.body, content_type="application/json")
    response["X-Cache"] = cached_response.status.value
    make_conditional(request, response, f'"{cached_response.etag}"')
    return response


def _accepts_json(request: HttpRequest) -> bool:
    """Return whether the client clearly prefers JSON; full content negotiation is left to the framework."""
    accept = request.META.get("HTTP_ACCEPT", "")
    return (not accept or accept.startswith(("*/*", "application/json"))) and "format" not in request.GET
