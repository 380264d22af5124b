"""A bound on how long anything that is watched may keep an answer waiting."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from monitoring import pools

T = TypeVar("T")

#: Seconds that a server which does not answer may cost.
PATIENCE: Final = 0.5

#: Looks that may hang at once in one process; further ones are refused at once, not queued.
HANGING_AT_MOST: Final = 16

_free = threading.BoundedSemaphore(HANGING_AT_MOST)


class TooSlowError(Exception):
    """What was asked did not answer within the time that it is given."""


class Look(Generic[T]):
    """A question to something that may hang.

    It is asked in a thread with database connections of its own, which is left alone if it hangs: there is no
    other way to stop waiting for a server that has frozen.

    Args:
        look: asks it.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._answers: SimpleQueue[tuple[T] | BaseException] = SimpleQueue()
        if not _free.acquire(blocking=False):
            self._answers.put(TooSlowError("no answer: earlier questions still wait for theirs"))
            return
        threading.Thread(target=self._run, name="monitoring", daemon=True).start()

    def _run(self) -> None:
        try:
            pools.step_aside(connections[DEFAULT_DB_ALIAS])
            self._answers.put((self._look(),))
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
            self._answers.put(error)
        finally:
            connections.close_all()
            _free.release()

    def answer(self, seconds: float) -> T:
        """Return the answer, or raise what asking raised; may be called again after it was too slow.

        Raises:
            TooSlowError: when the time is over, or when too many looks hang already.
        """
        try:
            answer = self._answers.get(timeout=seconds)
        except Empty:
            raise TooSlowError(f"no answer within {seconds:g} seconds") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer[0]


def within(seconds: float, look: Callable[[], T]) -> T:
    """Return what ``look`` returns, or give up on it.

    Args:
        seconds: how long to wait.
        look: asks something that may hang.

    Raises:
        TooSlowError: when the time is over, or when too many looks hang already.
    """
    return Look(look).answer(seconds)
