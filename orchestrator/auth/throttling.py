"""Login throttling: only failures count, so a user who knows the password never waits."""

import math
import time
from dataclasses import dataclass
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


@dataclass(frozen=True)
class FailureWindow:
    """At most ``max_failures`` failures in a window that starts with the first failure."""

    key: str
    max_failures: int

    def wait_seconds(self) -> int:
        """Return for how many seconds logins are refused; 0 if they are not."""
        deadline, failures = divmod(caches["throttle"].get(self.key, 0), _COUNTER_RANGE)
        return max(0, deadline - math.floor(time.time())) if failures >= self.max_failures else 0

    def record(self) -> None:
        """Count one failure."""
        first = (math.ceil(time.time()) + WINDOW_SECONDS) * _COUNTER_RANGE + 1
        if not caches["throttle"].add(self.key, first, WINDOW_SECONDS):
            try:
                caches["throttle"].incr(self.key)
            except ValueError:  # the window ended between the two calls
                caches["throttle"].add(self.key, first, WINDOW_SECONDS)


@dataclass(frozen=True)
class LoginThrottle:
    """The two failure windows that apply to a login."""

    username: str
    ip_address: str

    @property
    def windows(self) -> tuple[FailureWindow, FailureWindow]:
        """Return the window of the username at this IP address, and the window of the IP address."""
        # Hashed: somebody may have typed a password here, and a username may have any length and alphabet.
        name = sha256(self.username.encode(errors="replace")).hexdigest()
        return (
            FailureWindow(f"login:{self.ip_address}:{name}", MAX_FAILURES_PER_USERNAME),
            FailureWindow(f"login:{self.ip_address}", MAX_FAILURES_PER_IP),
        )

    def check(self) -> None:
        """Let the login proceed, or refuse it.

        Raises:
            TooManyAttempts: when a window is full, whether the password is correct or not.
        """
        if wait := max(window.wait_seconds() for window in self.windows):
            raise TooManyAttempts(wait)

    def record_failure(self) -> None:
        """Count a failed login in both windows."""
        for window in self.windows:
            window.record()
