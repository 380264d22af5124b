"""Tickets: the web server puts one into the URL of the stream's process; it is valid once, for a minute.

The ``EventSource`` of a browser sends no header of ours and, to another port, no cookie. A ticket is signed
with the ``SECRET_KEY`` and says whose right it is. Its nonce is stored in the database when it is used, so
that it works with several processes, and while the cache server is down.

URLs get into logs and scripts can read them, so the key of a session, which is its cookie, is encrypted: XOR
with an HMAC of the nonce, which no other ticket has.
"""

import math
import secrets
import time
from typing import Final
from uuid import UUID

from django.core import signing
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.crypto import salted_hmac

from orchestrator.stream import rights
from orchestrator.stream.access import Access

#: Seconds from a ticket's issue within which it is used.
TICKET_SECONDS: Final = 60

_NONCE_BYTES: Final = 16
#: It has another number when the claims change: a ticket of older code is then not valid.
_SALT: Final = "orchestrator.stream.ticket.2"
_USE: Final = "INSERT INTO stream_tickets (nonce, expires_at) VALUES (%s, %s) ON CONFLICT (nonce) DO NOTHING"
_PRUNE: Final = "DELETE FROM stream_tickets WHERE expires_at < %s"


class InvalidTicket(Exception):
    """A ticket that is forged, too old or used, or whose user is no longer signed in."""


def issue(access: Access) -> str:
    """Return a new ticket for a user's right to follow the stream."""
    nonce = secrets.token_hex(_NONCE_BYTES)
    session_key = _encrypted((access.session_key or "").encode(), nonce).hex()
    claims = [access.user_id.hex, access.password_fingerprint, access.expires_at, session_key, nonce]
    return signing.dumps(claims, salt=_SALT)


def redeem(ticket: str) -> Access:
    """Use a ticket and return the right that it stands for.

    Raises:
        InvalidTicket: when it is not valid any more.
    """
    try:
        claims = signing.loads(ticket, salt=_SALT, max_age=TICKET_SECONDS)
    except signing.SignatureExpired:
        raise InvalidTicket("The ticket has expired.") from None
    except signing.BadSignature:
        raise InvalidTicket("The ticket is not valid.") from None
    user_id, fingerprint, expires_at, encrypted_key, nonce = claims
    session_key = _encrypted(bytes.fromhex(encrypted_key), nonce).decode("latin-1")
    access = Access(UUID(user_id), fingerprint, expires_at, session_key or None)
    # A minute longer than the ticket is valid, because the clocks of two machines differ.
    if not _execute(_USE, nonce, math.ceil(time.time()) + 2 * TICKET_SECONDS):
        raise InvalidTicket("The ticket was used before.")
    if rights.lost([access]):
        raise InvalidTicket("The ticket's user is no longer signed in.")
    return access


def prune() -> None:
    """Delete the nonces of tickets that have expired."""
    _execute(_PRUNE, math.floor(time.time()))


def _encrypted(session_key: bytes, nonce: str) -> bytes:
    """Encrypt the key of a session, or decrypt it."""
    mask = salted_hmac(f"{_SALT}.session", nonce, algorithm="sha512").digest()
    return bytes(each ^ masking for each, masking in zip(session_key, mask, strict=False))


def _execute(sql: str, *parameters: str | int) -> int:
    """Run a statement and return the number of rows it changed."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)
