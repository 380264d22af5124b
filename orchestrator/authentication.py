"""How the API learns who asks: by bearer token, or by Django's session."""

from typing import Final

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from orchestrator.models import User
from orchestrator.tokens import InvalidToken, user_for_token

_SCHEME: Final = "bearer"
_PARTS: Final = 2


class BearerAuthentication(authentication.BaseAuthentication):
    """Reads ``Authorization: Bearer …`` (RFC 6750)."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """Return the token's user and the token, or None where the request brings none.

        Raises:
            AuthenticationFailed: when the token proves nothing.
        """
        parts = request.META.get("HTTP_AUTHORIZATION", "").split()
        if not parts or parts[0].lower() != _SCHEME:
            return None
        if len(parts) != _PARTS:
            raise AuthenticationFailed("The header must be: Authorization: Bearer <access token>.")
        try:
            return user_for_token(parts[1]), parts[1]
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from error

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 tells the client to bring."""
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Reads Django's session, and demands its CSRF token for every change."""
