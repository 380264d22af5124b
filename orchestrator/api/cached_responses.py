"""Answers from the cache: before the framework is asked where that will do, else from within the view."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator.api import cache_policy, wsgi_cache
from orchestrator.api.cache_policy import SpecBuilder
from orchestrator.api.etags import make_conditional
from orchestrator.api.renderers import JSONRenderer
from orchestrator.auth import tokens
from orchestrator.auth.authentication import bearer_token
from orchestrator.auth.cached_users import CachedUser
from orchestrator.cache import reads, seals
from orchestrator.cache.questions import Found, Question
from orchestrator.cache.reads import Answer, Outcome
from orchestrator.choices import Role
from orchestrator.encoding import to_json

#: Where in a request's environment the audit asks for an answer past the cache, and gets its question.
REPLAY: Final = "orchestrator.api.replay"


@dataclass(frozen=True)
class RequestContext:
    """Who asks a question by token, takes JSON, and may have the answer, which the cache has not."""

    account: CachedUser
    token: str
    question: Question


class CachedResponses:
    """A view set whose answers may come from the cache.

    ``dispatch`` serves what is there to whoever brings a token and takes JSON: one round trip, no query, no
    serializer. Everything else goes the framework's way; once it has let the request in, an action that is
    asked of the cache is run only where the cache has no answer.
    """

    #: What each action asks the cache, by its name.
    cache_policy: ClassVar[Mapping[str, SpecBuilder]] = {}
    #: Role that an action needs, by its name; the others need the role user.
    roles: ClassVar[Mapping[str, Role]] = {}

    action_map: dict[str, str]
    kwargs: dict[str, Any]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the answer to a request."""
        if request.method == "GET" and REPLAY not in request.META and _takes_json(request):
            self.kwargs = kwargs
            quick = self._from_cache(request)
            if quick is not None:
                return quick
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the request in, and see whether the cache can answer it."""
        plain = request._request  # noqa: SLF001 - where ``dispatch`` left what it found
        admitted: RequestContext | None = getattr(plain, "admitted", None)
        if admitted:
            # Weighed already: who asks, whether they may, and what they take.
            request.user, request.auth = admitted.account.as_user(), admitted.token
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
            self.format_kwarg = None
            question: Question | None = admitted.question
        else:
            super().initial(request, *args, **kwargs)  # type: ignore[misc]
            action = self._action if request.method in SAFE_METHODS else ""
            if action not in self.cache_policy or request.accepted_renderer.format != "json":
                return
            question = self._question(plain, cast("UUID", request.user.pk))
        if REPLAY in request.META:
            request.META[REPLAY]["question"] = question
        else:
            self.get = self.head = partial(self._cached, question, self.get)  # type: ignore[has-type]

    def _cached(
        self,
        question: Question | None,
        handler: Callable[..., Response],
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        """Return the answer to an admitted request: cached, or the handler's, stored where that is safe."""
        plain = request._request  # noqa: SLF001 - where ``dispatch`` left what it found
        if question is None:
            body = body_of(handler(request, *args, **kwargs))
            return respond(plain, Answer(body, seals.etag_of(body), Outcome.BYPASS))
        found: Found | None = getattr(plain, "answer_found", None)
        if found is None:
            (found,) = reads.look_up(question)
        answer = reads.answer(question, found, lambda: body_of(handler(request, *args, **kwargs)))
        wsgi_cache.remember(plain, question, self._needs)
        return respond(plain, answer)

    def _from_cache(self, request: HttpRequest) -> HttpResponse | None:
        try:
            token = bearer_token(request.META)
            claims = tokens.decode(token) if token else None
        except tokens.InvalidToken:
            return None
        question = self._question(request, claims.user_id) if claims else None
        if token is None or claims is None or question is None:
            return None
        known, found = reads.look_up(cache_policy.account(claims.user_id), question)
        request.account_found, request.answer_found = known, found  # type: ignore[attr-defined]
        account = self._admitted(claims, known)
        if account is None:
            return None
        if found.body is None:
            request.admitted = RequestContext(account, token, question)  # type: ignore[attr-defined]
            return None
        wsgi_cache.remember(request, question, self._needs)
        return respond(request, reads.answer(question, found, build=bytes))

    def _admitted(self, claims: tokens.Claims, found: Found) -> CachedUser | None:
        """Return the account that claims stand for, if it may have the answer."""
        try:
            account = tokens.user_for(claims, found)
        except tokens.InvalidToken:
            return None
        return account if account.role.covers(self._needs) else None

    def _question(self, request: HttpRequest, user_id: UUID) -> Question | None:
        ask = self.cache_policy.get(self._action)
        if ask is None:
            return None
        try:
            return ask(request, UUID(self.kwargs["pk"]) if "pk" in self.kwargs else None, user_id)
        except ValueError:  # nobody's id
            return None

    @property
    def _needs(self) -> Role:
        return self.roles.get(self._action, Role.USER)

    @property
    def _action(self) -> str:
        return str(self.action_map.get("get", ""))


def body_of(response: HttpResponseBase) -> bytes:
    """Return the JSON of a view's answer."""
    return to_json(response.data) if isinstance(response, Response) else response.content  # type: ignore[attr-defined]


def respond(request: HttpRequest, answer: Answer) -> HttpResponse:
    """Return an answer with its entity tag and ``X-Cache``, or a 304 to a client that has it already."""
    response = HttpResponse(answer.body, content_type="application/json")
    response["X-Cache"] = answer.outcome.value
    make_conditional(request, response, f'"{answer.etag}"')
    return response


def _takes_json(request: HttpRequest) -> bool:
    """Tell whether JSON is what the client would get, without weighing what else it might take."""
    accept = request.META.get("HTTP_ACCEPT", "")
    return (not accept or accept.startswith(("*/*", "application/json"))) and "format" not in request.GET
