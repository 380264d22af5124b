"""Entity tags and seals: an answer that somebody changed in the cache server is a miss."""

import hashlib
import hmac
from functools import lru_cache

from django.conf import settings


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of a body, without quotes: BLAKE2b (RFC 7693), 128 bits, in hex."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def sign(digest: str, version: bytes, etag: bytes) -> bytes:
    """Return the code that proves that this process, or another with its key, stored an entry.

    Args:
        digest: of the spec, so that an entry cannot be moved to another key.
        version: the epoch and generations it was made under, so that an old one cannot be brought back.
        etag: of the body, which the reader checks against it.
    """
    message = b"\0".join((digest.encode(), version, etag))
    return hashlib.blake2b(message, digest_size=16, key=_key(settings.SECRET_KEY)).hexdigest().encode()


def verify(found: bytes, digest: str, version: bytes, etag: bytes) -> bool:
    """Tell whether an entry's sign is the one that belongs to it."""
    return hmac.compare_digest(found, sign(digest, version, etag))


@lru_cache(maxsize=2)
def _key(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"kyros.sign").digest()
