"""The service as another version of the code: a cached user has one more field, a job one fewer."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

#: The field of a job that the other version does not have.
REMOVED = "started_at"


def application() -> Callable[..., Any]:
    """Return the WSGI application of the other version."""
    from kyros.wsgi import application as changed  # noqa: PLC0415 - it loads what is changed here
    from orchestrator.api.serializers import JobSerializer  # noqa: PLC0415
    from orchestrator.auth import cached_users  # noqa: PLC0415

    ThisUser = cached_users.CachedUser  # noqa: N806 - a class

    @dataclass(frozen=True)
    class OtherUser(ThisUser):  # type: ignore[misc, valid-type]
        locale: str

        @classmethod
        def from_user(cls, user: Any) -> "OtherUser":
            return cls(**vars(ThisUser.from_user(user)), locale="en")

        def to_bytes(self) -> bytes:
            return bytes(cached_users.to_json(asdict(self)))

    cached_users.CachedUser = OtherUser  # type: ignore[misc, assignment]
    fields = JobSerializer.Meta.fields
    JobSerializer.Meta.fields = tuple(name for name in fields if name != REMOVED)  # type: ignore[assignment]
    return changed
