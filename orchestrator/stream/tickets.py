"""Tickets: the web server puts one into the URL of the stream's process; it is valid once, for a minute.

The ``EventSource`` of a browser sends no header of ours and, to another port, no cookie. A ticket is signed
with the ``SECRET_KEY`` and says whose right it is. Its nonce is stored in the database when it is used, so
that it works with several processes, and while the cache server is down.
"""

import math
import secrets
import time
from typing import Final
from uuid import UUID

from django.core import signing
from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.auth import cached_users
from orchestrator.stream.access import Access

#: Seconds from a ticket's issue within which it is used.
TICKET_SECONDS: Final = 60

_SALT: Final = "orchestrator.stream.ticket"
_USE: Final = "INSERT INTO stream_tickets (nonce, expires_at) VALUES (%s, %s) ON CONFLICT (nonce) DO NOTHING"
_PRUNE: Final = "DELETE FROM stream_tickets WHERE expires_at < %s"


class InvalidTicket(Exception):
    """A ticket that is forged, too old or used, or whose user may no longer sign in."""


def issue(access: Access) -> str:
    """Return a new ticket for a user's right to follow the stream."""
    claims = [access.user_id.hex, access.password_fingerprint, access.expires_at, secrets.token_hex(8)]
    return signing.dumps(claims, salt=_SALT)


def redeem(ticket: str) -> Access:
    """Use a ticket and return the right that it stands for.

    Raises:
        InvalidTicket: when it is not valid any more.
    """
    try:
        user_id, fingerprint, expires_at, nonce = signing.loads(ticket, salt=_SALT, max_age=TICKET_SECONDS)
    except signing.SignatureExpired:
        raise InvalidTicket("The ticket has expired.") from None
    except signing.BadSignature:
        raise InvalidTicket("The ticket is not valid.") from None
    access = Access(UUID(user_id), fingerprint, expires_at)
    # A minute longer than the ticket is valid, because the clocks of two machines differ.
    if not _execute(_USE, nonce, math.ceil(time.time()) + 2 * TICKET_SECONDS):
        raise InvalidTicket("The ticket was used before.")
    if access.expired or not still_valid(access):
        raise InvalidTicket("The ticket's user may no longer sign in.")
    return access


def still_valid(access: Access) -> bool:
    """Return whether the user of a right is active and has the same password, by the database."""
    user = cached_users.current(access.user_id)
    return bool(user and user.active and user.password_fingerprint == access.password_fingerprint)


def prune() -> None:
    """Delete the nonces of tickets that have expired."""
    _execute(_PRUNE, math.floor(time.time()))


def _execute(sql: str, *parameters: str | int) -> int:
    """Run a statement and return the number of rows it changed."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)
