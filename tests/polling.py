"""Waiting for an event that has no handle to wait on."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Between two looks: at first, and at most, each being twice as long as the one before.
FIRST_POLL_SECONDS = 0.001
POLL_SECONDS = 0.01


def wait_until(predicate: Callable[[], T], timeout: float = 60, *, what: str = "") -> T:
    """Call `predicate` until what it returns is true, and return that.

    Args:
        predicate: asked every ten milliseconds, sooner at first; an exception of its own ends the wait.
        timeout: seconds until the test fails. A bound for what is broken, not an expectation: be generous.
        what: names the event in the failure.

    Raises:
        AssertionError: it did not become true in time.
    """
    deadline, pause = time.monotonic() + timeout, FIRST_POLL_SECONDS
    while not (result := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or repr(predicate)} did not come within {timeout:g} seconds")
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
    return result
