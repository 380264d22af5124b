"""Keys in the cache server."""

import secrets
from collections.abc import Iterable
from functools import cache

from django.conf import settings


def epoch() -> str:
    """Return the key of the token that all entries are made under."""
    return f"{_prefix()}:epoch"


def lease() -> str:
    """Return the key that exists while the cache may be trusted."""
    return f"{_prefix()}:lease"


def generation(tag: str) -> str:
    """Return the key of a tag's generation."""
    return f"{_prefix()}:g:{tag}"


def writers(tag: str) -> str:
    """Return the key of the set of writers in flight of a tag."""
    return f"{_prefix()}:w:{tag}"


def of_tags(tags: Iterable[str]) -> list[str]:
    """Return generation and writers of each tag, as the scripts take them."""
    return [key for tag in tags for key in (generation(tag), writers(tag))]


def entry(digest: str) -> str:
    """Return the key of an answer, by the digest of its spec."""
    return f"{_prefix()}:e:{digest}"


def entries() -> str:
    """Return the pattern of the keys of all answers, for a scan."""
    return f"{_prefix()}:e:*"


def fill_lock(digest: str) -> str:
    """Return the key that one caller holds while filling an answer."""
    return f"{_prefix()}:f:{digest}"


def statistics(bucket: str) -> str:
    """Return the key of the counters of one bucket of time."""
    return f"{_prefix()}:s:{bucket}"


def samples() -> str:
    """Return the key of the list of recipes to be audited."""
    return f"{_prefix()}:audit"


def token() -> str:
    """Return a fresh random token: never a counter, which an eviction would start again."""
    return secrets.token_hex(8)


@cache
def _prefix() -> str:
    # Braces keep all keys on one node of a cluster, where scripts need them.
    return f"{{{settings.CACHE_PREFIX}}}"
