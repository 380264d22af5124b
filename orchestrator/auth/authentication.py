"""Authentication of API requests: by bearer token or by Django's session."""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from orchestrator.auth.tokens import InvalidToken, account_last_known, decode, user_for
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


def last_known(request: Request) -> tuple[User, str] | None:
    """Return the user of a bearer token as they were when the database stopped responding, and the token.

    Only for views that change nothing and show the state of the servers, after ``SILENT_AFTER`` seconds
    without a response (see ``monitoring.limits``).

    Returns:
        None where the cache does not know; a session needs the database.

    Raises:
        AuthenticationFailed: when the token is not valid.
        NotAuthenticated: when the request has no credentials.
    """
    try:
        token = bearer_token(request.META)
        user = account_last_known(decode(token)) if token else None
    except InvalidToken as error:
        raise AuthenticationFailed(str(error)) from error
    if token is None and settings.SESSION_COOKIE_NAME not in request.COOKIES:
        raise NotAuthenticated
    return (user.as_user(), token) if token and user else None


class BearerAuthentication(authentication.BaseAuthentication):
    """Reads ``Authorization: Bearer …`` (RFC 6750)."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """Return the token's user and the token, or None where the request has no token.

        Raises:
            AuthenticationFailed: when the token is not valid or its user may no longer sign in.
        """
        try:
            token = bearer_token(request.META)
            return None if token is None else (user_for(decode(token)).as_user(), token)
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from error

    def authenticate_header(self, request: Request) -> str:
        """Return the ``WWW-Authenticate`` header of a 401."""
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Reads Django's session and requires its CSRF token for every unsafe method."""
