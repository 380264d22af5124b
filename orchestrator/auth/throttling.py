"""Login throttling: only failures count, so a user who knows the password never waits."""

import math
import time
from hashlib import sha256
from typing import Final

from django.core.cache import caches
from django.core.exceptions import ValidationError

WINDOW_SECONDS: Final = 60
#: Failed logins in a window for one username from one IP address.
MAX_FAILURES_PER_USERNAME: Final = 10
#: Failed logins in a window from one IP address, for any username.
MAX_FAILURES_PER_IP: Final = 100

# A counter and the end of its window share one integer, so that counting is one atomic step.
_COUNTER_RANGE: Final = 1_000_000


class TooManyAttempts(ValidationError):
    """Too many logins failed. A form shows it as its error; the API responds with 429."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(f"Too many failed attempts to sign in. Try again in {wait_seconds} seconds.")


def check(username: str, ip_address: str) -> None:
    """Raise ``TooManyAttempts`` while logins are refused, whether the password is correct or not."""
    if wait := max(_wait_seconds(*window) for window in _windows(username, ip_address)):
        raise TooManyAttempts(wait)


def record_failure(username: str, ip_address: str) -> None:
    """Count a failed login. A window starts with its first failure."""
    cache = caches["throttle"]
    first = (math.ceil(time.time()) + WINDOW_SECONDS) * _COUNTER_RANGE + 1
    for key, _ in _windows(username, ip_address):
        if not cache.add(key, first, WINDOW_SECONDS):
            try:
                cache.incr(key)
            except ValueError:  # the window ended between the two calls
                cache.add(key, first, WINDOW_SECONDS)


def _wait_seconds(key: str, max_failures: int) -> int:
    deadline, failures = divmod(caches["throttle"].get(key, 0), _COUNTER_RANGE)
    return max(0, deadline - math.floor(time.time())) if failures >= max_failures else 0


def _windows(username: str, ip_address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return the keys and the maximums: of the username at this IP address, and of the IP address."""
    # Hashed: somebody may have typed a password here, and a username may have any length and alphabet.
    name = sha256(username.encode(errors="replace")).hexdigest()
    return (
        (f"login:{ip_address}:{name}", MAX_FAILURES_PER_USERNAME),
        (f"login:{ip_address}", MAX_FAILURES_PER_IP),
    )
