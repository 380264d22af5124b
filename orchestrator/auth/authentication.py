"""Authentication of API requests: by bearer token or by Django's session."""

from collections.abc import Mapping
from typing import Any, Final

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from orchestrator.auth.permissions import needs_current_user
from orchestrator.auth.tokens import InvalidToken, current_user_for, decode, user_for
from orchestrator.models import User

_SCHEME: Final = "bearer"
_PARTS: Final = 2


def bearer_token(meta: Mapping[str, Any]) -> str | None:
    """Return the token in the ``Authorization`` header, or None if there is none.

    Raises:
        InvalidToken: when the header has not the form that RFC 6750 defines.
    """
    parts = meta.get("HTTP_AUTHORIZATION", "").split()
    if not parts or parts[0].lower() != _SCHEME:
        return None
    if len(parts) != _PARTS:
        raise InvalidToken("The header must be: Authorization: Bearer <access token>.")
    return str(parts[1])


class BearerAuthentication(authentication.BaseAuthentication):
    """Reads ``Authorization: Bearer …`` (RFC 6750)."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """Return the token's user and the token, or None where the request has no token.

        Raises:
            AuthenticationFailed: when the token is not valid or its user may no longer sign in.
        """
        try:
            token = bearer_token(request.META)
            if token is None:
                return None
            find_user = current_user_for if needs_current_user(request) else user_for
            return find_user(decode(token)).as_user(), token
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from error

    def authenticate_header(self, request: Request) -> str:
        """Return the ``WWW-Authenticate`` header of a 401."""
        return 'Bearer realm="api"'
