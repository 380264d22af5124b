"""Ending: how the launcher is told to, and how it makes sure of others."""

import os
import signal
import time
from types import FrameType
from typing import NoReturn

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Seconds a process has to end by itself before it is killed.
GRACE_SECONDS = 5.0
POLL_SECONDS = 0.05


class Terminated(BaseException):
    """The launcher was told to end while it was starting."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        #: The exit status a shell expects of a process that this signal ended.
        self.status = 128 + number


def raise_on_signal() -> None:
    """Make Ctrl-C and SIGTERM raise `Terminated` in the main thread, once: cleaning up is not interrupted."""
    for number in END_SIGNALS:
        signal.signal(number, _raise_terminated)


def _raise_terminated(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - Python hands it over
    for each in END_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Terminated(number)


def terminate_group(group: int, grace: float = GRACE_SECONDS) -> None:
    """End every process of `group`, by force after `grace` seconds; wait until none is left."""
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
    """Send signal `number`, or none for 0, to `group`; return whether there is such a group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS says so of a group of which only ended, not yet collected processes are left.
        return False
    return True
