"""Signals: turns those to the launcher into an exception, and ends process groups."""

import os
import signal
import time
from types import FrameType
from typing import NoReturn

TERMINATION_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: A process that has not ended this long after SIGTERM is killed.
GRACE_SECONDS = 5.0
POLL_SECONDS = 0.05


class Terminated(BaseException):
    """A signal ended the launcher while it was starting."""

    def __init__(self, number: int) -> None:
        """Set the exit status for the signal `number`."""
        super().__init__(number)
        #: The exit status a shell expects of a process that this signal ended.
        self.status = 128 + number


def raise_on_signal() -> None:
    """Make Ctrl-C and SIGTERM raise `Terminated` in the main thread; ignore them from then on."""
    for number in TERMINATION_SIGNALS:
        signal.signal(number, _raise_terminated)


def _raise_terminated(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - Python hands it over
    for each in TERMINATION_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Terminated(number)


def terminate_group(group: int, grace: float = GRACE_SECONDS) -> None:
    """End every process of `group`, with SIGKILL after `grace` seconds; wait until none is left."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, GRACE_SECONDS)):
        if not _signal_group(group, number) or _gone_within(group, seconds):
            return


def _gone_within(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _signal_group(group, 0):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _signal_group(group: int, number: int) -> bool:
    """Send signal `number`, or none for 0, to `group`; return whether the group exists."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS raises this for a group that consists of zombies only.
        return False
    return True
