"""The ``Idempotency-Key`` header of requests that submit jobs."""

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from orchestrator.limits import MAX_IDEMPOTENCY_KEY_LENGTH
from orchestrator.submission.idempotency import IdempotencyKey, digest_of

if TYPE_CHECKING:
    from uuid import UUID

_HEADER: Final = "Idempotency-Key"
_VALID: Final = re.compile(rf"[!-~]{{1,{MAX_IDEMPOTENCY_KEY_LENGTH}}}")

#: The descriptions of the responses to a request whose key was sent before.
SUBMITTED_BEFORE: Final = {
    HTTPStatus.UNPROCESSABLE_ENTITY: "The `Idempotency-Key` belongs to another request; nothing was stored.",
    HTTPStatus.GONE: "The request was carried out, but its jobs have been deleted since.",
}


def idempotency_key(request: Request) -> IdempotencyKey | None:
    """Return the key of a request with the request's digest; None without the header.

    Raises:
        ValidationError: if the header is not a valid key.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _VALID.fullmatch(key):
        allowed = f"1 to {MAX_IDEMPOTENCY_KEY_LENGTH} visible ASCII characters"
        raise ValidationError({_HEADER: [f"The header is not a valid key. Allowed: {allowed}."]})
    return IdempotencyKey(cast("UUID", request.user.pk), key, digest_of(request.path, request.data))
