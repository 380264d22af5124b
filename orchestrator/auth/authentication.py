"""How the API learns who asks: by bearer token, or by Django's session."""

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


def last_known(request: Request) -> tuple[User, str] | None:
    """Return the user of a request's bearer token as they were when the database fell silent, and the token.

    Only what changes nothing and tells how the servers are may ask this, after ``SILENT_AFTER`` seconds in
    vain (see ``monitoring.limits``).

    Returns:
        None where nobody can tell; of a session only the database can.

    Raises:
        AuthenticationFailed: when the token proves nothing.
        NotAuthenticated: when the request brings nothing.
    """
    try:
        token = bearer_token(request.META)
        account = account_last_known(decode(token)) if token else None
    except InvalidToken as error:
        raise AuthenticationFailed(str(error)) from error
    if token is None and settings.SESSION_COOKIE_NAME not in request.COOKIES:
        raise NotAuthenticated
    return (account.as_user(), token) if token and account else None


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
            return user_for(decode(token), found).as_user(), token
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from error

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 tells the client to bring."""
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Reads Django's session, and demands its CSRF token for every change."""
