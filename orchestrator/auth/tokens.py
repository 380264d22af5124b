"""Bearer tokens (JWT): valid until they expire, the password changes or the user is deactivated."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.utils.crypto import constant_time_compare

from orchestrator.auth import cached_users
from orchestrator.auth.cached_users import CachedUser
from orchestrator.cache.spec import Lookup
from orchestrator.models import User

Kind = Literal["access", "refresh"]

_ALGORITHM: Final = "HS256"
_CLAIMS: Final = ("sub", "type", "iat", "exp", "jti", "pwd")
_SECONDS_A_MINUTE: Final = 60
#: By how much the clock of the server that issued a token may be ahead. ``decode`` checks the expiry exactly.
_CLOCK_SKEW_SECONDS: Final = 60


class InvalidToken(Exception):
    """A token that is forged, expired or of the wrong kind, or whose user may no longer sign in."""


def issue_tokens(user: User) -> dict[str, Any]:
    """Return a response body with new tokens for an authenticated user; ``expires_in`` is in seconds."""
    lifetime = settings.JWT_ACCESS_MINUTES * _SECONDS_A_MINUTE
    return {
        "access_token": _encode(user, "access", lifetime),
        "refresh_token": _encode(user, "refresh", settings.JWT_REFRESH_MINUTES * _SECONDS_A_MINUTE),
        "token_type": "bearer",
        "expires_in": lifetime,
    }


@dataclass(frozen=True, eq=False)
class Claims:
    """The claims of a valid token: user id, expiry (Unix seconds) and fingerprint of the password."""

    user_id: UUID
    expires_at: int
    password_fingerprint: str


def decode(token: str, kind: Kind = "access") -> Claims:
    """Return the claims of a token of a kind, without checking that its user may still sign in.

    Raises:
        InvalidToken: says why, but nothing about the user.
    """
    claims = _decoded(token, kind, settings.SECRET_KEY)
    if claims.expires_at <= time.time():
        raise InvalidToken("The token has expired.")
    return claims


def user_for(claims: Claims, found: Lookup | None = None) -> CachedUser:
    """Return the user of a token, as they are now; ``found`` is a cache lookup that the caller has done.

    Raises:
        InvalidToken: when the user may no longer sign in or has a new password.
    """
    return require_valid(claims, cached_users.find(claims.user_id, found))


def current_user_for(claims: Claims) -> CachedUser:
    """Return the user of a token from the database; raise ``InvalidToken`` as ``require_valid`` does."""
    return require_valid(claims, cached_users.current(claims.user_id))


def require_valid(claims: Claims, user: CachedUser | None) -> CachedUser:
    """Return the user of a token; raise ``InvalidToken`` if they may not sign in or have a new password."""
    if not (
        user and user.active and constant_time_compare(claims.password_fingerprint, user.password_fingerprint)
    ):
        raise InvalidToken("The token's user may no longer sign in or has a new password.")
    return user


def _encode(user: User, kind: Kind, lifetime: int) -> str:
    now = int(time.time())
    claims = {
        "sub": str(user.pk),
        "type": kind,
        "iat": now,
        "exp": now + lifetime,
        "jti": uuid4().hex,
        "pwd": cached_users.password_fingerprint(user),
    }
    return jwt.encode(claims, settings.SECRET_KEY, algorithm=_ALGORITHM)


# A client sends the same token with every request; its signature is verified once.
@lru_cache(maxsize=4096)
def _decoded(token: str, kind: Kind, key: str) -> Claims:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            leeway=_CLOCK_SKEW_SECONDS,
            options={"require": list(_CLAIMS)},
        )
        user_id, expires_at, fingerprint = UUID(claims["sub"]), claims["exp"], claims["pwd"]
        if not (isinstance(expires_at, int) and isinstance(fingerprint, str) and fingerprint.isascii()):
            raise jwt.InvalidTokenError  # noqa: TRY301 - as for the claims that the library checks
    except jwt.ExpiredSignatureError:
        raise InvalidToken("The token has expired.") from None
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidToken("The token is not valid.") from None
    if claims["type"] != kind:
        raise InvalidToken(f'A token of type "{kind}" is required here.')
    return Claims(user_id, expires_at, fingerprint)
