"""The event stream: who may follow it, and what of it; its own process sends the events."""

from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponseRedirect, QueryDict
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from orchestrator.api.pagination import require_known
from orchestrator.auth import cached_users, tokens
from orchestrator.auth.authentication import BearerAuthentication
from orchestrator.listing import InvalidQuery
from orchestrator.listing.errors import invalid_value
from orchestrator.lists import EVENTS
from orchestrator.models import Event, User
from orchestrator.stream import database_feed, tickets
from orchestrator.stream.access import SERVED_HERE, Access, StreamResponse
from orchestrator.stream.feeds import EventFilter, InvalidPosition, Position
from orchestrator.stream.tickets import InvalidTicket

#: The same as of the list of events.
_FILTERS: Final = (EVENTS.by_name["type"], EVENTS.by_name["job"])
_TICKET: Final = "ticket"
_LAST_EVENT_ID: Final = "last_event_id"
_MAX_TYPE_LENGTH: Final = Event._meta.get_field("type").max_length or 0


class TicketAuthentication(BaseAuthentication):
    """Reads ``?ticket=…`` where the stream's process serves the request."""

    def authenticate(self, request: Request) -> tuple[User, Access] | None:
        """Return the ticket's user and right, or None where there is no ticket.

        Raises:
            AuthenticationFailed: when the ticket is not valid.
        """
        ticket = request.query_params.get(_TICKET)
        if not ticket or SERVED_HERE not in request.META:
            return None
        try:
            access = tickets.redeem(ticket)
        except InvalidTicket as error:
            raise AuthenticationFailed(str(error)) from error
        return User(pk=access.user_id), access

    def authenticate_header(self, request: Request) -> str:
        """Return the ``WWW-Authenticate`` header of a 401."""
        return BearerAuthentication().authenticate_header(request)


class TicketScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes tickets."""

    target_class = TicketAuthentication
    name = "ticket"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI description of the scheme."""
        return {"type": "apiKey", "in": "query", "name": _TICKET}


class TemporaryRedirect(HttpResponseRedirect):
    """A redirect after which the client sends the same request."""

    status_code = HTTPStatus.TEMPORARY_REDIRECT


class EventStreamView(APIView):
    """The event stream."""

    http_method_names = ["get", "options"]
    authentication_classes = (TicketAuthentication, BearerAuthentication, SessionAuthentication)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - DRF's
        """Accept every Accept header, because there is one format."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        summary="Follow new events",
        description=(
            "Server-sent events: each event once, as soon as it is committed. This URL redirects to the "
            "process that sends them, unless a proxy sends the request there."
        ),
        parameters=[
            *(
                OpenApiParameter(name, dict(schema), description=schema["description"])
                for each in _FILTERS
                for name, schema in each.parameters.items()
            ),
            OpenApiParameter(_LAST_EVENT_ID, str, description="The same as the header `Last-Event-ID`."),
            OpenApiParameter(
                "Last-Event-ID",
                str,
                OpenApiParameter.HEADER,
                description="The last `id:` that arrived.",
            ),
        ],
        responses={
            (HTTPStatus.OK, "text/event-stream"): OpenApiResponse(str, "The events, as they are committed."),
            HTTPStatus.TEMPORARY_REDIRECT: OpenApiResponse(description="Follow `Location` within a minute."),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Begin the stream, or redirect to the process that does."""
        require_known(request, ("type", "job", _LAST_EVENT_ID, _TICKET))
        event_filter, (last_event_id, position) = _filter(request), _position(request)
        access = _access(request)
        if SERVED_HERE in request.META:
            return StreamResponse(access, event_filter, position)
        query = QueryDict(mutable=True)
        query.update({name: str(value) for name, value in event_filter._asdict().items() if value})
        if last_event_id:
            query[_LAST_EVENT_ID] = last_event_id  # a browser may drop the header in a redirect
        query[_TICKET] = tickets.issue(access)
        return TemporaryRedirect(_stream_url(request, query), headers={"Cache-Control": "no-store"})


def _stream_url(request: Request, query: QueryDict) -> str:
    """Return the URL of the stream's process, on the host that the client uses."""
    host, _ = split_domain_port(request.get_host())
    return f"{request.scheme}://{host}:{settings.STREAM_PORT}{request.path}?{query.urlencode()}"


def _filter(request: Request) -> EventFilter:
    try:
        conditions = EVENTS.read(request.query_params, _FILTERS)
        if len(conditions.get("type", "")) > _MAX_TYPE_LENGTH:
            raise invalid_value("type", conditions["type"], f"1 to {_MAX_TYPE_LENGTH} characters")
    except InvalidQuery as error:
        raise ValidationError({error.parameter: [error.message]}) from error
    return EventFilter(**conditions)


def _position(request: Request) -> tuple[str, Position | None]:
    """Return the id after which the client goes on, and its position; None for a client that has none."""
    text = request.headers.get("Last-Event-ID") or request.query_params.get(_LAST_EVENT_ID, "")
    try:
        return text, database_feed.current().parse(text) if text else None
    except InvalidPosition as error:
        raise ValidationError({_LAST_EVENT_ID: [str(error)]}) from error


def _access(request: Request) -> Access:
    """Return the right of the request's user, which lasts as long as the token or the session."""
    if isinstance(request.auth, Access):
        return request.auth
    user = cached_users.current(request.user.pk) if request.user.pk else None
    if user is None:
        raise NotAuthenticated
    if not request.auth:
        return Access(user.id, user.password_fingerprint, session_key=request.session.session_key)
    try:
        expires_at = tokens.decode(str(request.auth)).expires_at
    except tokens.InvalidToken as error:  # it has expired since the user was authenticated
        raise AuthenticationFailed(str(error)) from error
    return Access(user.id, user.password_fingerprint, expires_at)
