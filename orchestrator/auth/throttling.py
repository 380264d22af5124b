"""Brakes on guessing passwords. Only failures count: who knows the password never waits."""

import math
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from django.core.cache import caches
from django.core.exceptions import ValidationError

WINDOW_SECONDS: Final = 60
#: Failed sign-ins in a window, by user name and address together.
MAX_FAILURES_PER_USERNAME: Final = 10
#: Failed sign-ins in a window, by address, whatever the names.
MAX_FAILURES_PER_IP: Final = 100

# A counter and the moment its window ends live in one integer, so that counting is one atomic step.
_COUNTER_RANGE: Final = 1_000_000


class TooManyAttempts(ValidationError):
    """Sign-in was tried too often. A form shows it as its error; the API makes it a 429."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(f"Too many failed attempts to sign in. Try again in {wait_seconds} seconds.")


@dataclass(frozen=True)
class FailureWindow:
    """At most ``allowed`` failures in a window that begins with the first."""

    key: str
    allowed: int

    def wait_seconds(self) -> int:
        """Return for how many seconds nothing more may be tried: 0 while it may."""
        deadline, failures = divmod(caches["throttle"].get(self.key, 0), _COUNTER_RANGE)
        return max(0, deadline - math.floor(time.time())) if failures >= self.allowed else 0

    def record(self) -> None:
        """Count one failure."""
        first = (math.ceil(time.time()) + WINDOW_SECONDS) * _COUNTER_RANGE + 1
        if not caches["throttle"].add(self.key, first, WINDOW_SECONDS):
            try:
                caches["throttle"].incr(self.key)
            except ValueError:  # the window ended between the two steps
                caches["throttle"].add(self.key, first, WINDOW_SECONDS)


@dataclass(frozen=True)
class LoginThrottle:
    """The two limits that one attempt to sign in is under."""

    username: str
    address: str

    @property
    def limits(self) -> tuple[FailureWindow, FailureWindow]:
        """Return the limit of the name at this address, and the address's own."""
        # Hashed: a name that was typed may be a password, and may be of any length and alphabet.
        name = sha256(self.username.encode(errors="replace")).hexdigest()
        return (
            FailureWindow(f"sign-in:{self.address}:{name}", MAX_FAILURES_PER_USERNAME),
            FailureWindow(f"sign-in:{self.address}", MAX_FAILURES_PER_IP),
        )

    def check(self) -> None:
        """Do nothing while the attempt may be made.

        Raises:
            TooManyAttempts: when it may not, right password or wrong.
        """
        if wait := max(limit.wait_seconds() for limit in self.limits):
            raise TooManyAttempts(wait)

    def record_failure(self) -> None:
        """Count a failed attempt for both limits."""
        for limit in self.limits:
            limit.record()
