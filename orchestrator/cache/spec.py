"""Questions whose answers may be cached, and what the cache says to them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from orchestrator.cache import keys
from orchestrator.cache.fingerprint import fingerprint


@dataclass(frozen=True)
class CacheSpec:
    """An answer that may be cached, by all that it depends on.

    Args:
        group: what it is counted as in the statistics, such as ``jobs``.
        recipe: text that names the answer completely: two specs with one recipe have one answer.
        tags: what makes it stale (see ``orchestrator.cache.tags``).
        ttl: seconds for which it may be kept.
        per_user: whether it is another user's address, too, with another answer.
        time_dependent: whether time alone changes the answer, by less than ``ttl`` matters.
    """

    group: str
    key: str
    tags: tuple[str, ...]
    ttl: int
    per_user: bool = False
    time_dependent: bool = False

    def __hash__(self) -> int:
        """Return the hash of the recipe, which Python keeps with the text."""
        return hash(self.key)

    @cached_property
    def digest(self) -> str:
        """Return the hash of the recipe and of the code's fingerprint: no key shows what was asked."""
        return hashlib.blake2b(self.key.encode(), digest_size=16, key=fingerprint()).hexdigest()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of the entry and of its generations, as the read script takes them."""
        return (keys.entry(self.digest), *(keys.generation(tag) for tag in self.tags))


@dataclass(frozen=True)
class Lookup:
    """What the cache says to one spec.

    Args:
        body: the answer, if it is there and good.
        etag: of the body.
        storable: whether an answer made now may be stored.
        version: the epoch and generations the answer was made under.
    """

    body: bytes | None = None
    etag: str = ""
    storable: bool = False
    version: bytes = b""
