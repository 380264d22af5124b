"""Identifiers of rows."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562, 5.7): ordered by time, so that inserts stay local in an index."""
    return uuid7()
