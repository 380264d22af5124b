"""The text that names a cached response in its cache spec and in the audit; written and parsed only here."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

_CACHED_USER: Final = "user"


@dataclass(frozen=True)
class ResponseKey:
    """The name of a cached response: ``<url>``, ``<url> <user id>``, or ``user <user id>`` for a cached user.

    Args:
        url: the whole URL with its query; empty for a cached user.
        user_id: the only user whose response this is; None where every user gets the same response.
    """

    url: str = ""
    user_id: UUID | None = None

    def encode(self) -> str:
        """Return the key as text. A URL contains no space."""
        name = self.url or _CACHED_USER
        return name if self.user_id is None else f"{name} {self.user_id.hex}"

    @classmethod
    def decode(cls, text: str) -> "ResponseKey":
        """Return the key that ``encode`` wrote.

        Raises:
            ValueError: when the text is no key.
        """
        name, separator, user_id = text.partition(" ")
        key = cls("" if name == _CACHED_USER else name, UUID(user_id) if separator else None)
        if not (key.url.startswith(("http://", "https://")) or (name == _CACHED_USER and key.user_id)):
            raise ValueError(f"{text!r} is no response key")
        return key
