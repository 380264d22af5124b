"""The endpoints: probes, metrics, the cache's health and the database report.

Anyone may request the probes, so they reveal nothing confidential. The other endpoints are for staff and for
clients that send METRICS_TOKEN, which works while the database hangs because it needs no query.
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
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.exceptions import APIException
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring import exposition, readiness, registry
from monitoring.report import database_report
from monitoring.serialization import cache_document, performance_document
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded

logger = logging.getLogger(__name__)


@csrf_exempt  # so that other methods are 405
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django passes it
    """Return 200 as long as the process runs, whatever the database and the cache do."""
    return JsonResponse({"status": "ok"})


@csrf_exempt  # so that other methods are 405
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django passes it
    """Return 200 if requests may be sent to this process, else 503 with the reason."""
    state = readiness.readiness(registry.monitored_app().cache_state)
    details = {"cache": state.cache, **({"writes": state.writes} if state.writes else {})}
    if state.reason is None:
        return JsonResponse({"status": "ready", **details})
    unavailable = {"status": "unavailable", "reason": state.reason, **details}
    return JsonResponse(unavailable, status=HTTPStatus.SERVICE_UNAVAILABLE)


class DatabaseUnresponsive(APIException):
    """The database does not respond, so the user cannot be identified."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = (
        "The database does not respond, so your sign-in cannot be checked. These work without it: this URL "
        "with METRICS_TOKEN as bearer token, /healthz, /readyz, and `manage.py db_report`."
    )


@method_decorator(never_cache, name="dispatch")
class StaffView(APIView):
    """An endpoint for moderators and admins, who are Django's staff, and for clients with METRICS_TOKEN."""

    permission_classes = (IsAdminUser,)

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Start the response's time budget, which authentication and the endpoint share."""
        super().setup(request, *args, **kwargs)
        self.budget = TimeBudget()

    def get_authenticators(self) -> list[Any]:
        """Return none for METRICS_TOKEN: it belongs to no user and needs no query."""
        return [] if self._has_token() else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        """Return no permissions for METRICS_TOKEN, which is permission enough."""
        return [] if self._has_token() else list(super().get_permissions())

    def perform_authentication(self, request: Request) -> None:
        """Identify the user within the response's time budget.

        Raises:
            DatabaseUnresponsive: if the database does not respond.
        """
        if self._has_token():
            return  # before the call below, which fails once too many calls hang
        # It may read the session or the user from a database that hangs.
        call = BoundedCall(lambda: (request.user, request.auth))
        try:
            request.user, request.auth = self.budget.result(call)
        except (TimeBudgetExceeded, Error) as error:
            logger.warning(
                "The database does not respond to authentication", exc_info=isinstance(error, Error)
            )
            self._forget_credentials(request)
            raise DatabaseUnresponsive from error
        except APIException:
            self._forget_credentials(request)
            raise

    @staticmethod
    def _forget_credentials(request: Request) -> None:
        """Make the request anonymous, so that rendering the error runs no query for the user."""
        request.authenticators, request.user, request.auth = (), AnonymousUser(), None

    def _has_token(self) -> bool:
        expected = settings.METRICS_TOKEN
        if not expected or self.request is None:  # the OpenAPI schema is built without a request
            return False
        scheme, _, token = self.request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return scheme.lower() == "bearer" and constant_time_compare(token.strip(), expected)


class CacheHealthView(StaffView):
    """The cache's health."""

    @extend_schema(summary="Cache health", responses={HTTPStatus.OK: dict})
    def get(self, request: Request) -> Response:
        """Return the cache's health; 200 even if the cache is down."""
        return Response(cache_document(registry.monitored_app().cache(self.budget)))


class DatabasePerformanceView(StaffView):
    """The database report."""

    @extend_schema(summary="Database performance and recommendations", responses={HTTPStatus.OK: dict})
    def get(self, request: Request) -> Response:
        """Return tables, plans, connections, slow queries and recommendations."""
        return Response(performance_document(database_report(budget=self.budget)))


class MetricsView(StaffView):
    """The metrics of all processes."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - DRF's
        """Accept every Accept header, because there is one format."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Return every metric in Prometheus' text format."""
        return HttpResponse(exposition.metrics_text(self.budget), content_type=CONTENT_TYPE_PLAIN_0_0_4)
