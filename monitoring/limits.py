"""A bound on how long anything that is watched may keep an answer waiting."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Generic, Literal, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from monitoring import pools

T = TypeVar("T")

#: What may hang.
Server = Literal["database", "cache"]

#: Seconds that servers that are silent may cost one answer in all: half a second, less what else it needs.
PATIENCE: Final = 0.4

#: Seconds without an answer after which a report looks for another sign that the database is alive.
SILENT_AFTER: Final = 0.1

#: Looks at one server that may hang at once in one process; further ones are not asked, and as silent.
HANGING_AT_MOST: Final = 16

_free: Final = {server: threading.BoundedSemaphore(HANGING_AT_MOST) for server in ("database", "cache")}


class TooSlowError(Exception):
    """What was asked did not answer within the time that it is given."""


class Look(Generic[T]):
    """A question to something that may hang.

    It is asked in a thread with database connections of its own, which is left alone if it hangs: there is no
    other way to stop waiting for a server that has frozen.

    Args:
        look: asks it.
        server: what it may hang at: the looks at one that hangs leave those at the other alone.
    """

    def __init__(self, look: Callable[[], T], server: Server = "database") -> None:
        self._look = look
        self._free = _free[server]
        self._answers: SimpleQueue[tuple[T] | BaseException] = SimpleQueue()
        if self._free.acquire(blocking=False):
            threading.Thread(target=self._run, name="monitoring", daemon=True).start()

    def _run(self) -> None:
        try:
            pools.bypass_exhausted_pool(connections[DEFAULT_DB_ALIAS])
            self._answers.put((self._look(),))
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
            self._answers.put(error)
        finally:
            connections.close_all()
            self._free.release()

    def answer(self, seconds: float) -> T:
        """Return the answer, or raise what asking raised; may be called again after it was too slow.

        Raises:
            TooSlowError: when the time is over; too many looks may hang already for this one to be asked.
        """
        try:
            answer = self._answers.get(timeout=seconds)
        except Empty:
            raise TooSlowError(f"no answer within {seconds:.2g} seconds") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer[0]


class Patience:
    """How long silence is borne while one answer is made, whoever is silent, and however often it is asked.

    Only waiting counts, not what is done meanwhile: on a busy machine that takes long, too.

    Args:
        seconds: for how long, from each sign of life on; None: as ``PATIENCE`` says.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = PATIENCE if seconds is None else seconds
        #: Seconds for which silence is borne yet.
        self.left = self._seconds

    def answer(self, look: Look[T], at_most: float | None = None) -> T:
        """Return a look's answer, or raise what asking raised: either is a sign of life.

        Args:
            look: the question.
            at_most: seconds to wait, if fewer than are left.

        Raises:
            TooSlowError: when there is no answer; the time that this took is gone.
        """
        started = time.monotonic()
        try:
            answer = look.answer(self.left if at_most is None else min(self.left, at_most))
        except TooSlowError:
            self.spend(time.monotonic() - started)
            raise
        except BaseException:
            self.renew()
            raise
        self.renew()
        return answer

    def spend(self, seconds: float) -> None:
        """Take away what was waited in vain."""
        self.left = max(0.0, self.left - seconds)

    def renew(self) -> None:
        """Begin to wait anew after a sign of life."""
        self.left = self._seconds
