"""What may be cached (``CacheSpec``), and the result of looking it up (``Lookup``)."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from orchestrator.cache import keys
from orchestrator.cache.fingerprint import fingerprint


@dataclass(frozen=True)
class CacheSpec:
    """Describes one cacheable response.

    Args:
        group: the group of responses that the metrics count it in, such as ``jobs``.
        key: names the response completely: two specs with one key have one response.
        tags: what the response depends on (see ``orchestrator.cache.tags``).
        ttl: time to live in seconds.
        per_user: whether other users get another response from the same URL.
        time_dependent: whether the response also changes with time alone; it may be ``ttl`` seconds late.
    """

    group: str
    key: str
    tags: tuple[str, ...]
    ttl: int
    per_user: bool = False
    time_dependent: bool = False

    def __hash__(self) -> int:
        """Return the hash of the key, which Python stores with the string."""
        return hash(self.key)

    @cached_property
    def digest(self) -> str:
        """Return the hash of the key and of the code's fingerprint. It does not reveal the key."""
        return hashlib.blake2b(self.key.encode(), digest_size=16, key=fingerprint()).hexdigest()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of the entry and of its tags' generations, as the read script expects them."""
        return (keys.entry(self.digest), *(keys.generation(tag) for tag in self.tags))


@dataclass(frozen=True)
class Lookup:
    """The result of looking up one spec.

    Args:
        body: the cached body; None if there is no valid entry.
        etag: the body's ETag, without quotes.
        storable: whether a response built now may be stored.
        version: the epoch and generations that the entry was made under.
    """

    body: bytes | None = None
    etag: str = ""
    storable: bool = False
    version: bytes = b""
