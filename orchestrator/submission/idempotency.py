"""Idempotency keys: a request that a client repeats with the same key is carried out once.

The key is inserted before the jobs, in the same transaction. A repeat at the same time waits at the key: on
PostgreSQL for the first transaction, on SQLite for the write lock. If the first transaction is rolled back,
its key is gone and the repeat creates the jobs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.exceptions import IdempotencyKeyReused
from orchestrator.json_codec import from_json, to_json
from orchestrator.limits import IDEMPOTENCY_KEY_SECONDS

#: Inserts a key, or takes the place of an expired one. Changes and returns nothing if the key is in use.
_INSERT: Final = """
    INSERT INTO idempotency_keys (user_id, key, digest, job_ids, created_at)
    VALUES (%(user_id)s, %(key)s, %(digest)s, %(job_ids)s, %(now)s)
    ON CONFLICT (user_id, key) DO UPDATE
        SET digest = excluded.digest, job_ids = excluded.job_ids, created_at = excluded.created_at
        WHERE idempotency_keys.created_at <= %(expired)s
    RETURNING key
"""
_SELECT: Final = "SELECT digest, job_ids FROM idempotency_keys WHERE user_id = %s AND key = %s"
# The second condition is for a key that is used again between the subquery and the deletion.
_PRUNE: Final = """
    DELETE FROM idempotency_keys
    WHERE (user_id, key) IN (
        SELECT user_id, key FROM idempotency_keys WHERE created_at <= %(expired)s LIMIT %(limit)s
    ) AND created_at <= %(expired)s
"""
#: Keys that one statement deletes, so that no transaction is long.
_PRUNE_BATCH: Final = 1000


@dataclass(frozen=True)
class IdempotencyKey:
    """A key that a client sent, and the request that it sent the key with.

    Args:
        user_id: the user who sent it. Keys of different users are different.
        key: as sent.
        digest: the digest of the request, from ``digest_of``.
    """

    user_id: UUID
    key: str
    digest: str


def digest_of(path: str, body: Any) -> str:
    """Return a digest of a request; the order of keys and the white space in its JSON do not matter."""
    return sha256(path.encode() + b"\n" + to_json(body, sort_keys=True)).hexdigest()


def remember(key: IdempotencyKey, job_ids: Sequence[UUID]) -> list[UUID] | None:
    """Insert a key into the open transaction, unless an earlier request has used it.

    Args:
        key: the key and its request.
        job_ids: the ids of the jobs that the transaction is about to create.

    Returns:
        None for a new key; else the ids of the jobs that the earlier request created.

    Raises:
        IdempotencyKeyReused: if the earlier request was another one.
    """
    now = int(time.time())
    row: dict[str, str | int] = {
        "user_id": key.user_id.hex,
        "key": key.key,
        "digest": key.digest,
        "job_ids": to_json(job_ids).decode(),
        "now": now,
        "expired": now - IDEMPOTENCY_KEY_SECONDS,
    }
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        found = None
        while found is None:  # a key that has just expired may be deleted between the two statements
            cursor.execute(_INSERT, row)
            if cursor.fetchall():
                return None
            cursor.execute(_SELECT, [key.user_id.hex, key.key])
            found = cursor.fetchone()
    digest, earlier = found
    if digest != key.digest:
        raise IdempotencyKeyReused
    return [UUID(job_id) for job_id in from_json(earlier)]


def prune(may_go_on: Callable[[], bool] = lambda: True) -> int:
    """Delete the keys that have expired; return their number.

    Args:
        may_go_on: called before each batch; False ends the work.
    """
    expired = int(time.time()) - IDEMPOTENCY_KEY_SECONDS
    deleted: int = 0
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        while may_go_on():
            cursor.execute(_PRUNE, {"expired": expired, "limit": _PRUNE_BATCH})
            deleted += cursor.rowcount
            if cursor.rowcount < _PRUNE_BATCH:
                break
    return deleted
