"""SpecBuilder again: an answer of the API, by the recipe it is cached under, from the database."""

from http import HTTPStatus
from io import BytesIO
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404
from django.urls import Resolver404, resolve

from orchestrator.api import cache_policy
from orchestrator.api.cached_responses import REPLAY, body_of
from orchestrator.auth.cached_users import CachedUser
from orchestrator.cache.audit import Replayed
from orchestrator.choices import Role
from orchestrator.models import User

_ACCOUNT = "account "


def replay(recipe: str) -> Replayed | None:
    """Answer a recipe from the database; None where there is no answer any more, or time alone changes it."""
    try:
        if recipe.startswith(_ACCOUNT):
            return _account(UUID(recipe.removeprefix(_ACCOUNT)))
        address, _, asker = recipe.partition(" of ")
        user = User.objects.get(pk=UUID(asker)) if asker else User(username="audit", role=Role.ADMIN)
        return _address(address, user)
    except (Http404, Resolver404, ObjectDoesNotExist, ValueError):
        return None


def _account(user_id: UUID) -> Replayed:
    user = User.objects.get(pk=user_id)
    return Replayed(cache_policy.account(user_id), CachedUser.from_user(user).to_bytes())


def _address(address: str, user: User) -> Replayed | None:
    request = _request(address, user)
    match = resolve(request.path_info)
    response = match.func(request, *match.args, **match.kwargs)
    question = request.META[REPLAY].get("question")
    if question is None or question.follows_clock or response.status_code != HTTPStatus.OK:
        return None
    return Replayed(question, body_of(response))


def _request(address: str, user: User) -> WSGIRequest:
    """Return a request that the view takes as asked by ``user``, and answers past the cache."""
    parts = urlsplit(address)
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
            REPLAY: {},
        }
    )
    request._force_auth_user = user  # type: ignore[attr-defined]  # noqa: SLF001 - the framework's own door
    return request
