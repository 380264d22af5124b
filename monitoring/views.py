"""What probes, operators and collectors ask for.

Probes need no sign-in and are told nothing that would deserve one; everything else is for staff.
"""

from http import HTTPStatus

from django.http import HttpRequest, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring import health, registry
from monitoring import report as reports
from monitoring.documents import cache_document


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django hands it over
    """Answer 200 while the process lives, whatever the database and the cache do."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django hands it over
    """Answer 200 when requests may be sent here, else 503 with the reason."""
    readiness = health.readiness()
    if readiness.ready:
        return JsonResponse({"status": "ready", "cache": readiness.cache})
    return JsonResponse(
        {"status": "unavailable", "reason": readiness.reason, "cache": readiness.cache},
        status=HTTPStatus.SERVICE_UNAVAILABLE,
    )


@method_decorator(never_cache, name="dispatch")
class StaffView(APIView):
    """A page for moderators and admins: Django calls them staff."""

    permission_classes = (IsAdminUser,)


class CacheHealthView(StaffView):
    """How the cache is."""

    @extend_schema(summary="How the cache is", responses={HTTPStatus.OK: dict})
    def get(self, request: Request) -> Response:
        """Return the cache's health, whether or not it answers."""
        return Response(cache_document(registry.watched().cache()))


class DatabasePerformanceView(StaffView):
    """How the database is, and what should be done about it."""

    @extend_schema(summary="How the database is", responses={HTTPStatus.OK: dict})
    def get(self, request: Request) -> Response:
        """Return tables, plans, connections, slow queries and recommendations."""
        return Response(reports.document(reports.database_report()))
