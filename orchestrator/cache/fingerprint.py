"""The fingerprint of the code that writes entries: no version of the code reads another version's entries.

The code determines what an entry contains. The cache server outlives a deployment, and during a rolling
deploy two versions of the code share it. The fingerprint is therefore part of an entry's key
(``CacheSpec.digest``): an entry written by other code is a miss. Generations, writers in flight, epoch and
lease do not depend on it, so a write by either version invalidates the entries of both.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache

_describe: Callable[[], Iterable[str]] = tuple


def describe_entries_with(describe: Callable[[], Iterable[str]]) -> None:
    """Set the function that describes the content of entries.

    Args:
        describe: returns the package's version and the fields of everything that is cached. All processes
            that run the same code must get the same result. Called once, at the first look-up.
    """
    global _describe  # noqa: PLW0603 - set once, while the applications are loaded
    _describe = describe
    fingerprint.cache_clear()


@cache
def fingerprint() -> bytes:
    """Return the fingerprint of this process's code."""
    return hashlib.blake2b("\n".join(_describe()).encode(), digest_size=16).digest()
