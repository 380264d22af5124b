"""The pages that probes ask for. They need no sign-in and tell nothing that would deserve one."""

from http import HTTPStatus

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitoring import health


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
