"""Keys in the cache server, and the constants of time that belong to them."""

import secrets
from collections.abc import Iterable
from functools import cache
from typing import Final

from django.conf import settings

#: Seconds for which the cache may be trusted after a look at the outbox. A writer that could not announce
#: itself waits this long at most; with the server's time-out of 0.1 s that keeps such a write under 0.25 s.
LEASE: Final = 0.12

#: Seconds that a key may outlive its expiry: Valkey 9.1 still serves it in the very millisecond (measured).
LEASE_SLACK: Final = 0.005

#: Seconds after which a writer in flight counts as dead. A COMMIT takes milliseconds; until then its families
#: are answered from the database.
WRITER_EXPIRY: Final = 10

#: Seconds for which a generation is kept: longer than any entry made under it can live.
GENERATION_KEPT: Final = 7 * 86_400

#: Seconds after which somebody else may fill an entry that one caller set out to fill.
FILL_EXPIRY: Final = 2


def epoch() -> str:
    """Return the key of the token that all entries are made under."""
    return f"{_prefix()}:epoch"


def lease() -> str:
    """Return the key that exists while the cache may be trusted."""
    return f"{_prefix()}:lease"


def silence() -> str:
    """Return the key that exists while what was last known may be told, since the database tells nothing."""
    return f"{_prefix()}:silence"


def generation(family: str) -> str:
    """Return the key of a family's generation."""
    return f"{_prefix()}:g:{family}"


def writers(family: str) -> str:
    """Return the key of the set of writers in flight of a family."""
    return f"{_prefix()}:w:{family}"


def of_families(families: Iterable[str]) -> list[str]:
    """Return generation and writers of each family, as the scripts take them."""
    return [key for family in families for key in (generation(family), writers(family))]


def entry(digest: str) -> str:
    """Return the key of an answer, by the digest of its question."""
    return f"{_prefix()}:e:{digest}"


def entries() -> str:
    """Return the pattern of the keys of all answers, for a scan."""
    return f"{_prefix()}:e:*"


def last_known(digest: str) -> str:
    """Return the key of an answer's copy that outlives it (see ``reads.last_known``)."""
    return f"{_prefix()}:l:{digest}"


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
