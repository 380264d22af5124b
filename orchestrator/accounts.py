"""Who a user is, as the cache keeps it: all that a request needs to know of them, and no password hash."""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.utils.crypto import salted_hmac

from orchestrator import answers
from orchestrator.cache import reads
from orchestrator.cache.questions import Found
from orchestrator.choices import Role
from orchestrator.encoding import from_json, to_json
from orchestrator.models import User

_FINGERPRINT_LENGTH = 22


@dataclass(frozen=True)
class Account:
    """A user, and what tokens remember of their password."""

    id: UUID
    username: str
    email: str
    role: Role
    active: bool
    created_at: datetime
    fingerprint: str

    @classmethod
    def of(cls, user: User) -> "Account":
        """Return the account of a user."""
        return cls(
            user.pk,
            user.username,
            user.email,
            Role(user.role),
            user.active,
            user.created_at,
            fingerprint(user),
        )

    def to_bytes(self) -> bytes:
        """Return the account as the cache keeps it."""
        return to_json(asdict(self))

    def as_user(self) -> User:
        """Return the user; what the account does not hold is fetched when it is asked for."""
        fields = ("id", "username", "email", "role", "active", "created_at")
        return User.from_db(None, fields, [getattr(self, field) for field in fields])


@lru_cache(maxsize=1024)
def from_bytes(body: bytes) -> Account:
    """Return the account that ``Account.to_bytes`` wrote; read once, it is remembered by its bytes."""
    fields = from_json(body)
    fields["id"] = UUID(fields["id"])
    fields["role"] = Role(fields["role"])
    fields["created_at"] = datetime.fromisoformat(fields["created_at"])
    return Account(**fields)


def find(user_id: UUID, found: Found | None = None) -> Account | None:
    """Return an account from the cache, or from the database, or None where there is no such user.

    Args:
        user_id: whose.
        found: what the cache has said already, if it was asked.
    """
    question = answers.account(user_id)
    if found is None:
        (found,) = reads.look_up(question)
    try:
        return from_bytes(reads.answer(question, found, lambda: _from_database(user_id)).body)
    except User.DoesNotExist:
        return None


def fingerprint(user: User) -> str:
    """Return what a token remembers of the user's password: another one after every change."""
    return salted_hmac("orchestrator.tokens", user.get_session_auth_hash(), algorithm="sha256").hexdigest()[
        :_FINGERPRINT_LENGTH
    ]


def _from_database(user_id: UUID) -> bytes:
    return Account.of(User.objects.get(pk=user_id)).to_bytes()
