"""Runs a cached request again, past the cache, for the audit to compare the two responses."""

from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ObjectDoesNotExist
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404
from django.urls import Resolver404, resolve

from orchestrator.api.cached_responses import CachedResponses, body_of
from orchestrator.auth import cached_users
from orchestrator.auth.cached_users import CachedUser
from orchestrator.cache.audit import Replayed
from orchestrator.cache.response_key import ResponseKey
from orchestrator.choices import Role
from orchestrator.models import User


def replay(key: str) -> Replayed | None:
    """Return the response that a cache key names, from the database.

    Returns:
        None if there is no such response any more, or if it changes with the time of day.
    """
    try:
        parts = ResponseKey.decode(key)
        user = (
            User.objects.get(pk=parts.user_id) if parts.user_id else User(username="audit", role=Role.ADMIN)
        )
        if not parts.url:
            return Replayed(cached_users.cache_spec(user.pk), CachedUser.from_user(user).to_bytes())
        return _response(parts.url, user)
    except (Http404, Resolver404, ObjectDoesNotExist, ValueError):
        return None


def _response(url: str, user: User) -> Replayed | None:
    request = _request(url, user)
    match = resolve(request.path_info)
    routed: Any = match.func
    view = getattr(routed, "cls", None)
    if not (isinstance(view, type) and issubclass(view, CachedResponses)):
        return None
    spec = view.cache_spec(routed.actions.get("get", ""), request, match.kwargs.get("pk"), user.pk)
    if spec is None or spec.time_dependent:
        return None
    run: Any = routed.cls.as_view(routed.actions, **{**routed.initkwargs, "use_cache": False})
    response = run(request, *match.args, **match.kwargs)
    return Replayed(spec, body_of(response)) if response.status_code == HTTPStatus.OK else None


def _request(url: str, user: User) -> WSGIRequest:
    """Return a GET request for JSON that is authenticated as ``user``."""
    parts = urlsplit(url)
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "HTTP_HOST": parts.netloc,
            "HTTP_ACCEPT": "application/json",
            "SERVER_NAME": parts.hostname or "",
            "SERVER_PORT": str(parts.port or {"http": 80, "https": 443}[parts.scheme]),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": BytesIO(),
        }
    )
    request._force_auth_user = user  # type: ignore[attr-defined]  # noqa: SLF001 - as the framework's tests do
    return request
