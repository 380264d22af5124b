"""The keys that the service uses in the cache server."""

import secrets
from collections.abc import Iterable
from functools import cache

from django.conf import settings


def epoch() -> str:
    """Return the key of the epoch: entries made under another epoch are void."""
    return f"{_prefix()}:epoch"


def looked() -> str:
    """Return the key that exists for a moment after a process has looked at the database."""
    return f"{_prefix()}:looked"


def generation(tag: str) -> str:
    """Return the key of a tag's generation."""
    return f"{_prefix()}:g:{tag}"


def writers(tag: str) -> str:
    """Return the key of the set of a tag's writers in flight."""
    return f"{_prefix()}:w:{tag}"


def tag_keys(tags: Iterable[str]) -> list[str]:
    """Return the keys of each tag's generation and writers, in the order that the scripts expect."""
    prefix = _prefix()
    return [key for tag in tags for key in (f"{prefix}:g:{tag}", f"{prefix}:w:{tag}")]


def entry(digest: str) -> str:
    """Return the key of an entry.

    Args:
        digest: ``CacheSpec.digest``.
    """
    return f"{_prefix()}:e:{digest}"


def entry_pattern() -> str:
    """Return the pattern that matches the keys of all entries, for ``SCAN``."""
    return f"{_prefix()}:e:*"


def fill_lock(digest: str) -> str:
    """Return the key that exists while a caller builds an entry.

    Args:
        digest: ``CacheSpec.digest``.
    """
    return f"{_prefix()}:f:{digest}"


def counters(bucket: str) -> str:
    """Return the key of one set of counters.

    Args:
        bucket: the number of a time bucket, or the name of another set (see ``orchestrator.cache.metrics``).
    """
    return f"{_prefix()}:s:{bucket}"


def audit_samples() -> str:
    """Return the key of the list of response keys that wait for the audit."""
    return f"{_prefix()}:audit"


def token() -> str:
    """Return a new random token. A counter would not do: after an eviction it would start again."""
    return secrets.token_hex(8)


@cache
def _prefix() -> str:
    # The braces put all keys into one hash slot, as scripts need in a cluster.
    return f"{{{settings.CACHE_PREFIX}}}"
