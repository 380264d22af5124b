"""Primary keys."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562, section 5.7): ordered by time, so inserts stay local in an index."""
    return uuid7()
