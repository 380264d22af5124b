"""A bound on how long anything that is watched may keep an answer waiting."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from django.db import connections

T = TypeVar("T")

#: Seconds that a server which does not answer may cost.
PATIENCE: Final = 0.5

#: Looks that may hang at once in one process; further ones are refused at once, not queued.
HANGING_AT_MOST: Final = 8

_free = threading.BoundedSemaphore(HANGING_AT_MOST)


class TooSlowError(Exception):
    """What was asked did not answer within the time that it is given."""


def within(seconds: float, look: Callable[[], T]) -> T:
    """Return what ``look`` returns, or give up on it.

    It runs in a thread with database connections of its own, which is left alone if it hangs: there is no
    other way to stop waiting for a server that has frozen.

    Args:
        seconds: how long to wait.
        look: asks something that may hang.

    Raises:
        TooSlowError: when the time is over, or when too many looks hang already.
    """
    if not _free.acquire(blocking=False):
        raise TooSlowError("no answer: earlier questions still wait for theirs")
    answers: SimpleQueue[tuple[bool, T | BaseException]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put((True, look()))
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
            answers.put((False, error))
        finally:
            connections.close_all()
            _free.release()

    threading.Thread(target=run, name="monitoring", daemon=True).start()
    try:
        succeeded, answer = answers.get(timeout=seconds)
    except Empty:
        raise TooSlowError(f"no answer within {seconds:g} seconds") from None
    if succeeded:
        return answer  # type: ignore[return-value]
    raise answer  # type: ignore[misc]
