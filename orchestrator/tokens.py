"""Bearer tokens: who carries one is who signed in, until it expires or the password changes."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.utils.crypto import constant_time_compare

from orchestrator import accounts
from orchestrator.accounts import Account
from orchestrator.cache.questions import Found
from orchestrator.models import User

Kind = Literal["access", "refresh"]

_ALGORITHM: Final = "HS256"
_CLAIMS: Final = ("sub", "type", "iat", "exp", "jti", "pwd")
_SECONDS_A_MINUTE: Final = 60


class InvalidToken(Exception):
    """A token that proves nothing: forged, expired, of another kind, or its user may not sign in any more."""


@dataclass(frozen=True, kw_only=True)
class TokenPair:
    """What signing in gives; ``expires_in`` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int


def issue(user: User) -> TokenPair:
    """Return fresh tokens for a user who has proved to be one."""
    lifetime = settings.JWT_ACCESS_MINUTES * _SECONDS_A_MINUTE
    return TokenPair(
        access_token=_encode(user, "access", lifetime),
        refresh_token=_encode(user, "refresh", settings.JWT_REFRESH_MINUTES * _SECONDS_A_MINUTE),
        expires_in=lifetime,
    )


@dataclass(frozen=True, eq=False)
class Claims:
    """What a genuine token says: whose it is, until when (Unix seconds), and for which password."""

    user_id: UUID
    expires: int
    fingerprint: str


def read(token: str, kind: Kind = "access") -> Claims:
    """Return what a token says, without asking whether its user may still sign in.

    Args:
        token: what the client sent.
        kind: what it may be used for.

    Raises:
        InvalidToken: when it proves nothing; the text says why, without a word about the user.
    """
    claims = _decoded(token, kind, settings.SECRET_KEY)
    if claims.expires <= time.time():
        raise InvalidToken("The token has expired.")
    return claims


def account_for(claims: Claims, found: Found | None = None) -> Account:
    """Return the account that claims stand for, as it is now.

    Args:
        claims: what a token says.
        found: what the cache has said already of the account, if it was asked.

    Raises:
        InvalidToken: when its user may not sign in any more, or has a new password.
    """
    return _proved(claims, accounts.find(claims.user_id, found))


def account_in(claims: Claims, kept: bytes) -> Account:
    """Return the account that claims stand for.

    Args:
        claims: what a token says.
        kept: the account, as the cache keeps it now.

    Raises:
        InvalidToken: when its user may not sign in any more, or has a new password.
    """
    return _proved(claims, accounts.from_bytes(kept))


def user_for_token(token: str, kind: Kind = "access") -> User:
    """Return the user a token stands for, as they are now.

    Raises:
        InvalidToken: when it proves nothing, or not any more.
    """
    return account_for(read(token, kind)).as_user()


def _proved(claims: Claims, account: Account | None) -> Account:
    if not (account and account.active and constant_time_compare(claims.fingerprint, account.fingerprint)):
        raise InvalidToken("The token's user may not sign in, or has a new password.")
    return account


def _encode(user: User, kind: Kind, lifetime: int) -> str:
    now = int(time.time())
    claims = {
        "sub": str(user.pk),
        "type": kind,
        "iat": now,
        "exp": now + lifetime,
        "jti": uuid4().hex,
        "pwd": accounts.fingerprint(user),
    }
    return jwt.encode(claims, settings.SECRET_KEY, algorithm=_ALGORITHM)


# Verifying a signature again for each of a client's requests is work for nothing: same text, same result.
@lru_cache(maxsize=4096)
def _decoded(token: str, kind: Kind, key: str) -> Claims:
    try:
        claims = jwt.decode(token, key, algorithms=[_ALGORITHM], options={"require": list(_CLAIMS)})
        user_id = UUID(claims["sub"])
    except jwt.ExpiredSignatureError:
        raise InvalidToken("The token has expired.") from None
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidToken("The token is not valid.") from None
    if claims["type"] != kind:
        raise InvalidToken(f"Only the {kind} token is good for this.")
    return Claims(user_id, claims["exp"], claims["pwd"])
