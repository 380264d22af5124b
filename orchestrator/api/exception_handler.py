"""Turns exceptions into HTTP responses."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from orchestrator.auth.throttling import TooManyAttempts
from orchestrator.exceptions import (
    DuplicateValue,
    LastAdmin,
    LeaseLost,
    PreconditionFailed,
    TransitionNotAllowed,
)

logger = logging.getLogger(__name__)

#: Seconds after which a client may try again when the database is unavailable.
RETRY_AFTER_SECONDS: Final = 1


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the response to an exception, or None for an unexpected one, which becomes a 500."""
    for kinds, respond in _RESPONSES:
        if isinstance(error, kinds):
            return respond(error)
    return exception_handler(error, context)  # type: ignore[arg-type]


def _conflict(error: Exception) -> Response:
    return Response({"detail": str(error)}, status=HTTPStatus.CONFLICT)


def _transition_not_allowed(error: TransitionNotAllowed) -> Response:
    body = {"detail": str(error), "status": error.current, "allowed": list(error.allowed)}
    return Response(body, status=HTTPStatus.CONFLICT)


def _precondition_failed(error: PreconditionFailed) -> Response:
    return Response({"detail": str(error)}, status=HTTPStatus.PRECONDITION_FAILED)


def _duplicate_value(error: DuplicateValue) -> Response:
    return Response({error.field: [str(error)]}, status=HTTPStatus.BAD_REQUEST)


def _too_many_attempts(error: TooManyAttempts) -> Response:
    return Response(
        {"detail": error.message},
        status=HTTPStatus.TOO_MANY_REQUESTS,
        headers={"Retry-After": str(error.wait_seconds)},
    )


def _not_found(_: Exception) -> Response:
    return Response({"detail": exceptions.NotFound.default_detail}, status=HTTPStatus.NOT_FOUND)


def _too_large(error: Exception) -> Response:
    return Response({"detail": str(error)}, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _unavailable(error: Exception) -> Response:
    logger.error("The database is unavailable", exc_info=error)
    return Response(
        {"detail": "The database is unavailable. Try again."},
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


_RESPONSES: Final[
    tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Response]], ...]
] = (
    (TransitionNotAllowed, _transition_not_allowed),
    ((LeaseLost, LastAdmin), _conflict),
    (PreconditionFailed, _precondition_failed),
    (DuplicateValue, _duplicate_value),
    (TooManyAttempts, _too_many_attempts),
    (ObjectDoesNotExist, _not_found),
    (RequestDataTooBig, _too_large),
    ((OperationalError, InterfaceError), _unavailable),
)
