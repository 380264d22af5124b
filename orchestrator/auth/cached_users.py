"""Users as the cache holds them: what a request needs to know of its user, and no password hash."""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from orchestrator.cache import lookup, tags
from orchestrator.cache.response_key import ResponseKey
from orchestrator.cache.spec import CacheSpec, Lookup
from orchestrator.choices import Role
from orchestrator.db import rows
from orchestrator.json_codec import from_json, to_json
from orchestrator.models import User

_FINGERPRINT_LENGTH = 22


@dataclass(frozen=True)
class CachedUser:
    """A user, with a fingerprint of the password that tokens are checked against."""

    id: UUID
    username: str
    email: str
    role: Role
    active: bool
    created_at: datetime
    password_fingerprint: str

    @classmethod
    def from_user(cls, user: User) -> "CachedUser":
        """Return what the cache holds of a user."""
        return cls(
            user.pk,
            user.username,
            user.email,
            Role(user.role),
            user.active,
            user.created_at,
            password_fingerprint(user),
        )

    def to_bytes(self) -> bytes:
        """Return the JSON of the cache entry."""
        return to_json(asdict(self))

    def as_user(self) -> User:
        """Return the model instance; fields that are not cached are deferred."""
        fields = ("id", "username", "email", "role", "active", "created_at")
        return User.from_db(None, fields, [getattr(self, field) for field in fields])


@lru_cache(maxsize=1024)
def from_bytes(body: bytes) -> CachedUser:
    """Return the user that ``CachedUser.to_bytes`` wrote."""
    fields = from_json(body)
    fields["id"] = UUID(fields["id"])
    fields["role"] = Role(fields["role"])
    fields["created_at"] = datetime.fromisoformat(fields["created_at"])
    return CachedUser(**fields)


@lru_cache(maxsize=1024)
def cache_spec(user_id: UUID) -> CacheSpec:
    """Return under which key a user is cached, for how long, and what makes the entry stale."""
    return CacheSpec(
        "user_auth",
        ResponseKey(user_id=user_id).encode(),
        (tags.user(user_id), tags.USERS_IN_BULK),
        settings.CACHE_TTL_USER_AUTH,
    )


def find(user_id: UUID, found: Lookup | None = None) -> CachedUser | None:
    """Return a user from the lookup ``found``, the cache or the database; None if there is no such user."""
    spec = cache_spec(user_id)
    if found is None:
        (found,) = lookup.look_up(spec)
    try:
        return from_bytes(lookup.get_or_build(spec, found, lambda: _from_database(user_id)).body)
    except User.DoesNotExist:
        return None


def current(user_id: UUID) -> CachedUser | None:
    """Return a user from the database; None if there is no such user."""
    try:
        return CachedUser.from_user(rows.read(User, user_id))
    except User.DoesNotExist:
        return None


def password_fingerprint(user: User) -> str:
    """Return a fingerprint of the user's password hash; it changes with every change of the password."""
    return _fingerprint(user.password, settings.SECRET_KEY)


# Every request with a token needs its user's, and each takes two HMACs.
@lru_cache(maxsize=1024)
def _fingerprint(password_hash: str, key: str) -> str:
    session_hash = User(password=password_hash).get_session_auth_hash()
    digest = salted_hmac("orchestrator.tokens", session_hash, secret=key, algorithm="sha256").hexdigest()
    return digest[:_FINGERPRINT_LENGTH]


def _from_database(user_id: UUID) -> bytes:
    return CachedUser.from_user(User.objects.get(pk=user_id)).to_bytes()
