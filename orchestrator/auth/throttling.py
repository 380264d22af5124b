"""Login throttling: only failures count in the end, so a user who knows the password never waits.

A login is counted before its password is checked, so that logins at the same time cannot exceed the maximum,
and taken back if it succeeds. The counters are in the database: all processes share it, and it does not
depend on the cache server.
"""

import math
import time
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.http import HttpRequest

WINDOW_SECONDS: Final = 60
#: Failed logins in a window for one username from one client.
MAX_FAILURES_PER_USERNAME: Final = 10
#: Failed logins in a window from one client, for any username.
MAX_FAILURES_PER_CLIENT: Final = 100

#: Counts an attempt, in a new window if the last one is over; changes and returns nothing at the maximum.
_COUNT: Final = """
    INSERT INTO login_windows (key, attempts, ends_at) VALUES (%(key)s, 1, %(ends_at)s)
    ON CONFLICT (key) DO UPDATE SET
        attempts = CASE WHEN login_windows.ends_at <= %(now)s THEN 1 ELSE login_windows.attempts + 1 END,
        ends_at = CASE WHEN login_windows.ends_at <= %(now)s THEN %(ends_at)s ELSE login_windows.ends_at END
    WHERE login_windows.ends_at <= %(now)s OR login_windows.attempts < %(maximum)s
    RETURNING ends_at, attempts
"""
_TAKE_BACK: Final = "UPDATE login_windows SET attempts = attempts - 1 WHERE key = %s AND ends_at = %s"
_EXPIRED: Final = "SELECT key FROM login_windows WHERE ends_at <= %s"

#: The windows that counted an attempt, each with its end as a Unix timestamp.
Counted = list[tuple[str, int]]


class TooManyAttempts(ValidationError):
    """Too many logins failed. A form shows it as its error; the API responds with 429."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(f"Too many failed attempts to sign in. Try again in {wait_seconds} seconds.")


@transaction.atomic
def count(username: str, client: str) -> Counted:
    """Count an attempt to log in, as failed until it is taken back.

    Args:
        username: as the client sent it.
        client: what identifies the client.

    Raises:
        TooManyAttempts: while logins are refused, whether the password is correct or not. Nothing is counted.
    """
    # Hashed: somebody may have typed a password here, and a username may have any length and alphabet.
    name = sha256(f"{client} {username}".encode(errors="replace")).hexdigest()
    return [
        # In this order everywhere, so that two transactions never wait for each other.
        _count(name, MAX_FAILURES_PER_USERNAME),
        _count(client, MAX_FAILURES_PER_CLIENT),
    ]


@transaction.atomic
def take_back(counted: Counted) -> None:
    """Take back an attempt that succeeded."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.executemany(_TAKE_BACK, counted)


def with_status_429(login_page: Callable[..., Any]) -> Callable[..., Any]:
    """Return the login page with status 429 and ``Retry-After`` where its form has been throttled."""

    @wraps(login_page)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = login_page(request, *args, **kwargs)
        form = (getattr(response, "context_data", None) or {}).get("form")
        for error in form.non_field_errors().as_data() if form else ():
            if isinstance(error, TooManyAttempts):
                response.status_code = HTTPStatus.TOO_MANY_REQUESTS
                response["Retry-After"] = str(error.wait_seconds)
        return response

    return page


def _count(key: str, maximum: int) -> tuple[str, int]:
    now = math.floor(time.time())
    ends_at = now + 1 + WINDOW_SECONDS
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_COUNT, {"key": key, "ends_at": ends_at, "now": now, "maximum": maximum})
        row = cursor.fetchone()
        if row is None:
            cursor.execute("SELECT ends_at FROM login_windows WHERE key = %s", [key])
            raise TooManyAttempts(cursor.fetchone()[0] - now)
    ends_at, attempts = row
    if attempts == 1:
        _delete_expired(now)
    return key, ends_at


def _delete_expired(now: int) -> None:
    """Delete the windows that are over, except those that another login uses: no login waits for another."""
    connection = connections[DEFAULT_DB_ALIAS]
    skip = (
        connection.ops.for_update_sql(skip_locked=True) if connection.features.has_select_for_update else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM login_windows WHERE key IN ({_EXPIRED} {skip})", [now])  # noqa: S608 - no value
