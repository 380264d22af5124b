"""How the API learns who asks: by bearer token, or by Django's session."""

from collections.abc import Mapping
from typing import Any, Final

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from orchestrator.models import User
from orchestrator.tokens import InvalidToken, account_for, read

_SCHEME: Final = "bearer"
_PARTS: Final = 2


def bearer_token(meta: Mapping[str, Any]) -> str | None:
    """Return the token in a request's headers, or None where it brings none.

    Raises:
        InvalidToken: when the header is not of the form that RFC 6750 gives it.
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
        """Return the token's user and the token, or None where the request brings none.

        Raises:
            AuthenticationFailed: when the token proves nothing.
        """
        try:
            token = bearer_token(request.META)
            if token is None:
                return None
            # The view may have asked the cache already, together with the answer itself.
            found = getattr(request._request, "account_found", None)  # noqa: SLF001
            return account_for(read(token), found).as_user(), token
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from error

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 tells the client to bring."""
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Reads Django's session, and demands its CSRF token for every change."""
