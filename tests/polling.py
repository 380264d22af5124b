"""Polls for a condition that has no handle to wait on."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: The first pause between two calls. Each pause is twice as long as the one before, up to the maximum.
FIRST_POLL_SECONDS = 0.001
POLL_SECONDS = 0.01


def wait_until(predicate: Callable[[], T], timeout: float = 60, *, what: str = "") -> T:
    """Call `predicate` until its result is true; return that result.

    Args:
        predicate: called every ten milliseconds, more often at first. Its exceptions are not caught.
        timeout: seconds until the test fails. Only broken code should ever reach it: be generous.
        what: the name of the condition in the failure message.

    Raises:
        AssertionError: the result did not become true in time.
    """
    deadline, pause = time.monotonic() + timeout, FIRST_POLL_SECONDS
    while not (result := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what or repr(predicate)} within {timeout:g} seconds")
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
    return result
