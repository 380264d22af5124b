"""What probes, operators and collectors ask for.

Probes need no sign-in and are told nothing that would deserve one; everything else is for staff.
"""

import logging
import time
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
from monitoring.limits import SILENT_AFTER, Look, Patience, TooSlowError
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


class NobodyKnownError(APIException):
    """Who asks cannot be told, because the database that knows does not answer."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = (
        "Who asks cannot be told: the database does not answer. What goes without it: /healthz, /readyz, "
        "/metrics with METRICS_TOKEN, and `manage.py db_report`."
    )


@method_decorator(never_cache, name="dispatch")
class StaffView(APIView):
    """A page for moderators and admins: Django calls them staff."""

    permission_classes = (IsAdminUser,)

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Begin to wait: who asks, and what they ask for, may cost as much together as one would alone."""
        super().setup(request, *args, **kwargs)
        self.patience = Patience()

    def perform_authentication(self, request: Request) -> None:
        """Learn who asks; where the database does not tell in time, by what was known of them last.

        Raises:
            NobodyKnownError: when nobody could tell.
            AuthenticationFailed: when what they bring proves nothing.
            NotAuthenticated: when they bring nothing, which is told here only if the database is silent.
        """
        try:
            request.user, request.auth = self._who_asks(request)
        except APIException:
            # So that nobody is asked once more, not even for the page that tells of this.
            request.authenticators, request.user, request.auth = (), AnonymousUser(), None
            raise

    def _who_asks(self, request: Request) -> tuple[Any, Any]:
        asked: Look[tuple[Any, Any]] = Look(lambda: (request.user, request.auth))
        while self.patience.left:
            try:
                return self.patience.answer(asked, SILENT_AFTER)
            except TooSlowError:
                known = self._last_known(request)
            except Error:
                logger.warning("The database does not tell who asks", exc_info=True)
                break
            if known:
                request.authenticators = ()  # as above
                return known
        raise NobodyKnownError

    def _last_known(self, request: Request) -> tuple[Any, Any] | None:
        """Ask the cache who that was; it may be silent as well."""
        started = time.monotonic()
        try:
            return registry.monitored_app().last_known(request)
        finally:
            self.patience.spend(time.monotonic() - started)


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
    """The metrics, for staff and for whoever brings the token of METRICS_TOKEN."""

    content_negotiation_class = _OneFormat

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Return every metric in Prometheus' text format."""
        return HttpResponse(exposition.metrics_text(self.patience), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def get_authenticators(self) -> list[Any]:
        """Return nobody to ask where the token says enough: it is none of a user."""
        return [] if self._has_token() else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        """Return no further demand on whoever brings the token."""
        return [] if self._has_token() else list(super().get_permissions())

    def _has_token(self) -> bool:
        expected = settings.METRICS_TOKEN
        if not expected or self.request is None:  # nobody asks while the schema is made
            return False
        return constant_time_compare(self.request.META.get("HTTP_AUTHORIZATION", ""), f"Bearer {expected}")
