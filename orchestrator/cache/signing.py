"""ETags, and the signatures of entries: an entry that was changed in the cache server is a miss."""

import hashlib
import hmac
from functools import lru_cache

from django.conf import settings


def etag_of(body: bytes) -> str:
    """Return the strong ETag of a body, without quotes: BLAKE2b (RFC 7693), 128 bits, in hex."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def sign(digest: str, version: bytes, etag: bytes) -> bytes:
    """Return the signature of an entry: only a process with the ``SECRET_KEY`` can make it.

    Args:
        digest: the spec's digest, so that an entry cannot be moved to another key.
        version: the epoch and generations it was made under, so that an old entry cannot be restored.
        etag: the body's ETag. The reader checks the body against it.
    """
    message = b"\0".join((digest.encode(), version, etag))
    return hashlib.blake2b(message, digest_size=16, key=_key(settings.SECRET_KEY)).hexdigest().encode()


def verify(signature: bytes, digest: str, version: bytes, etag: bytes) -> bool:
    """Return whether ``sign`` made the signature from the same arguments."""
    return hmac.compare_digest(signature, sign(digest, version, etag))


@lru_cache(maxsize=2)
def _key(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"kyros.sign").digest()
