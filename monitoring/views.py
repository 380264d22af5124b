"""What probes, operators and collectors ask for.

Probes need no sign-in and get nothing that would deserve one. Everything else is for staff, and for the
bearer of METRICS_TOKEN: that needs no database, and so works while the database hangs.
"""

import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring import exposition, readiness, registry
from monitoring.limits import Look, Patience, TooSlowError
from monitoring.report import database_report
from monitoring.serialization import cache_document, performance_document

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django hands it over
    """Answer 200 while the process lives, whatever the database and the cache do."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django hands it over
    """Answer 200 when requests may be sent here, else 503 with the reason."""
    state = readiness.readiness()
    if state.ready:
        return JsonResponse({"status": "ready", "cache": state.cache})
    return JsonResponse(
        {"status": "unavailable", "reason": state.reason, "cache": state.cache},
        status=HTTPStatus.SERVICE_UNAVAILABLE,
    )


class DatabaseSilentError(APIException):
    """The database does not answer, so nobody knows who sent the request."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = (
        "The database does not answer, so your sign-in cannot be checked. Without it work: METRICS_TOKEN as "
        "bearer token at this URL, /healthz, /readyz, and `manage.py db_report`."
    )


@method_decorator(never_cache, name="dispatch")
class StaffView(APIView):
    """A page for moderators and admins (Django calls them staff), and for the bearer of METRICS_TOKEN."""

    permission_classes = (IsAdminUser,)

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Start the response's time budget: signing in and the page itself share it."""
        super().setup(request, *args, **kwargs)
        self.patience = Patience()

    def get_authenticators(self) -> list[Any]:
        """Return no authenticators for METRICS_TOKEN, which belongs to no user: the database is not asked."""
        return [] if self._has_token() else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        """Return no permissions for METRICS_TOKEN, which is the permission."""
        return [] if self._has_token() else list(super().get_permissions())

    def perform_authentication(self, request: Request) -> None:
        """Find out who sent the request, within the response's time budget.

        Raises:
            DatabaseSilentError: when the database does not answer.
            AuthenticationFailed: when the credentials are wrong.
        """
        if self._has_token():
            return  # even where so many threads hang already that no further one may be started
        # In a thread of its own: it may read the session or the user from a database that hangs.
        asked = Look(lambda: (request.user, request.auth))
        try:
            request.user, request.auth = self.patience.answer(asked)
        except (TooSlowError, Error) as error:
            logger.warning("the database does not answer who signed in", exc_info=isinstance(error, Error))
            self._forget_credentials(request)
            raise DatabaseSilentError from error
        except APIException:
            self._forget_credentials(request)
            raise

    @staticmethod
    def _forget_credentials(request: Request) -> None:
        """Make the request anonymous, so that rendering the error asks nobody who sent it."""
        request.authenticators, request.user, request.auth = (), AnonymousUser(), None

    def _has_token(self) -> bool:
        expected = settings.METRICS_TOKEN
        if not expected or self.request is None:  # there is no request while the schema is made
            return False
        scheme, _, token = self.request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return scheme.lower() == "bearer" and constant_time_compare(token.strip(), expected)


class CacheHealthView(StaffView):
    """How the cache is."""

    @extend_schema(summary="How the cache is", responses={HTTPStatus.OK: dict})
    def get(self, request: Request) -> Response:
        """Return the cache's health, whether or not it answers."""
        return Response(cache_document(registry.monitored_app().cache(self.patience)))


class DatabasePerformanceView(StaffView):
    """How the database is, and what should be done about it."""

    @extend_schema(summary="How the database is", responses={HTTPStatus.OK: dict})
    def get(self, request: Request) -> Response:
        """Return tables, plans, connections, slow queries and recommendations."""
        return Response(performance_document(database_report(patience=self.patience)))


class _OneFormat(BaseContentNegotiation):
    """Answers whatever a client says it takes: there is one format."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the first parser."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the first renderer, which only errors need."""
        return renderers[0], renderers[0].media_type


class MetricsView(StaffView):
    """The metrics."""

    content_negotiation_class = _OneFormat

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Return every metric in Prometheus' text format."""
        return HttpResponse(exposition.metrics_text(self.patience), content_type=CONTENT_TYPE_PLAIN_0_0_4)
