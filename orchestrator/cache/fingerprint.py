"""The fingerprint of the code that writes entries: no version of the code reads another version's entries.

What an entry holds has the shape that the code gives it. A cache server outlives a deployment, and during a
rolling one two versions share it. So the fingerprint is part of what an entry is kept under
(``CacheSpec.digest``): an entry of other code is a miss. Generations, writers in flight, epoch and lease do
not carry it: a write of either version makes the entries of both stale.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache

_describe: Callable[[], Iterable[str]] = tuple


def describe_entries_with(describe: Callable[[], Iterable[str]]) -> None:
    """Set what describes the content of entries.

    Args:
        describe: returns the package's version and the fields of everything that is cached, the same in all
            processes that run the same code. Called once, when the first entry is looked for.
    """
    global _describe  # noqa: PLW0603 - set once, while the applications are loaded
    _describe = describe
    fingerprint.cache_clear()


@cache
def fingerprint() -> bytes:
    """Return the fingerprint of this process's code."""
    return hashlib.blake2b("\n".join(_describe()).encode(), digest_size=16).digest()
