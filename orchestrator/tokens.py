"""Bearer tokens: who carries one is who signed in, until it expires or the password changes."""

import time
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from orchestrator.models import User

Kind = Literal["access", "refresh"]

_ALGORITHM: Final = "HS256"
_CLAIMS: Final = ("sub", "type", "iat", "exp", "jti", "pwd")
_FINGERPRINT_LENGTH: Final = 22
_SECONDS_A_MINUTE: Final = 60


class InvalidToken(Exception):
    """A token that proves nothing: forged, expired, of another kind, or its user may not sign in any more."""


@dataclass(frozen=True)
class TokenPair:
    """What signing in gives; ``expires_in`` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme


def issue(user: User) -> TokenPair:
    """Return fresh tokens for a user who has proved to be one."""
    lifetime = settings.JWT_ACCESS_MINUTES * _SECONDS_A_MINUTE
    return TokenPair(
        access_token=_encode(user, "access", lifetime),
        refresh_token=_encode(user, "refresh", settings.JWT_REFRESH_MINUTES * _SECONDS_A_MINUTE),
        expires_in=lifetime,
    )


def user_for_token(token: str, kind: Kind = "access") -> User:
    """Return the user a token stands for, as the database has them now.

    Args:
        token: what the client sent.
        kind: what it may be used for.

    Raises:
        InvalidToken: when it proves nothing; the text says why, without a word about the user.
    """
    claims = _decode(token, kind)
    user = User.objects.filter(pk=claims["sub"], active=True).first()
    if user is None or not constant_time_compare(claims["pwd"], fingerprint(user)):
        raise InvalidToken("The token's user may not sign in, or has a new password.")
    return user


def fingerprint(user: User) -> str:
    """Return what a token remembers of the user's password: another one after every change."""
    return salted_hmac("orchestrator.tokens", user.get_session_auth_hash(), algorithm="sha256").hexdigest()[
        :_FINGERPRINT_LENGTH
    ]


def _encode(user: User, kind: Kind, lifetime: int) -> str:
    now = int(time.time())
    claims = {
        "sub": str(user.pk),
        "type": kind,
        "iat": now,
        "exp": now + lifetime,
        "jti": uuid4().hex,
        "pwd": fingerprint(user),
    }
    return jwt.encode(claims, settings.SECRET_KEY, algorithm=_ALGORITHM)


def _decode(token: str, kind: Kind) -> dict[str, Any]:
    try:
        claims = jwt.decode(
            token, settings.SECRET_KEY, algorithms=[_ALGORITHM], options={"require": list(_CLAIMS)}
        )
        claims["sub"] = UUID(claims["sub"])
    except jwt.ExpiredSignatureError:
        raise InvalidToken("The token has expired.") from None
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidToken("The token is not valid.") from None
    if claims["type"] != kind:
        raise InvalidToken(f"Only the {kind} token is good for this.")
    return claims
