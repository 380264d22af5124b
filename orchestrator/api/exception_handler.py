"""Turns exceptions into HTTP responses."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from orchestrator.auth.throttling import TooManyAttempts
from orchestrator.db.disk_full import is_disk_full
from orchestrator.db.missing_partition import is_missing_partition
from orchestrator.exceptions import (
    DuplicateValue,
    IdempotencyKeyReused,
    LastAdmin,
    LeaseLost,
    PreconditionFailed,
    SubmittedJobsDeleted,
    TransitionNotAllowed,
)

logger = logging.getLogger(__name__)

#: Seconds after which a client may try again when the database is unavailable.
RETRY_AFTER_SECONDS: Final = 1

#: The statuses of errors whose response is only a message.
_STATUS_OF: Final[Mapping[type[Exception], HTTPStatus]] = {
    IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    LastAdmin: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    RequestDataTooBig: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    SubmittedJobsDeleted: HTTPStatus.GONE,
}

_DATABASE_UNAVAILABLE: Final = "The database is unavailable. Try again."
_NO_PARTITION: Final = "No partition takes new events until the operator runs `manage.py partition_events`."
_DISK_FULL: Final = "The disk is full, so the database cannot store changes. Reading still works."


def unavailable(error: Exception) -> str:
    """Return why the database cannot be used, as a client is told it."""
    return _DISK_FULL if is_disk_full(error) else _DATABASE_UNAVAILABLE


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the response to an exception, or None for an unexpected one, which becomes a 500."""
    match error:
        case TransitionNotAllowed():
            body = {"detail": str(error), "status": error.current, "allowed": list(error.allowed)}
            response = Response(body, HTTPStatus.CONFLICT)
        case LeaseLost():
            response = Response({"detail": str(error), "status": error.status}, HTTPStatus.CONFLICT)
        case _ if status := _STATUS_OF.get(type(error)):
            response = Response({"detail": str(error)}, status)
        case DuplicateValue():
            response = Response({error.field: [str(error)]}, HTTPStatus.BAD_REQUEST)
        case TooManyAttempts():
            response = _retry_later(HTTPStatus.TOO_MANY_REQUESTS, str(error.message), error.wait_seconds)
        case ObjectDoesNotExist():
            return exception_handler(exceptions.NotFound(), context)  # type: ignore[arg-type]
        case OperationalError() | InterfaceError():
            # Without a traceback: while the database is away, every request gets here.
            logger.error("The database is unavailable: %s", error)
            response = _retry_later(HTTPStatus.SERVICE_UNAVAILABLE, unavailable(error), RETRY_AFTER_SECONDS)
        case IntegrityError() if is_missing_partition(error):
            logger.error("A write failed: %s", _NO_PARTITION)
            response = _retry_later(HTTPStatus.SERVICE_UNAVAILABLE, _NO_PARTITION, RETRY_AFTER_SECONDS)
        case _:
            return exception_handler(error, context)  # type: ignore[arg-type]
    return response


def _retry_later(status: HTTPStatus, detail: str, seconds: int) -> Response:
    return Response({"detail": detail}, status, headers={"Retry-After": str(seconds)})
