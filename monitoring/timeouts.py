"""Time limits for calls to servers that may hang, so that no response waits for one of them."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Generic, Literal, TypeVar, get_args

from django.db import DEFAULT_DB_ALIAS, connections

from monitoring import connection_pools

T = TypeVar("T")

#: The servers that may hang.
Server = Literal["database", "cache", "replica"]

#: Seconds that unresponsive servers may delay one response. With the other work it is half a second.
TIME_BUDGET_SECONDS: Final = 0.4

#: Seconds without a result after which a report checks whether the database responds to other queries.
UNRESPONSIVE_AFTER_SECONDS: Final = 0.1

#: Calls that may hang at once, for each server in each process. Further calls fail without being made.
MAX_HANGING_CALLS: Final = 16

_slots: Final = {server: threading.BoundedSemaphore(MAX_HANGING_CALLS) for server in get_args(Server)}


class TimeBudgetExceeded(Exception):
    """A call did not return in time."""


class BoundedCall(Generic[T]):
    """A call that may hang, started in a thread with its own database connections.

    A thread that hangs is abandoned: there is no other way to stop waiting for a frozen server. Calls that
    hang at one ``server`` do not block calls to the other.
    """

    def __init__(self, function: Callable[[], T], server: Server = "database") -> None:
        self._function = function
        self._slot = _slots[server]
        self._outcomes: SimpleQueue[tuple[T] | BaseException] = SimpleQueue()
        if self._slot.acquire(blocking=False):
            try:
                threading.Thread(target=self._run, name="monitoring", daemon=True).start()
            except RuntimeError:  # no more threads can be started
                self._slot.release()

    def _run(self) -> None:
        try:
            connection_pools.bypass_exhausted_pool(connections[DEFAULT_DB_ALIAS])
            self._outcomes.put((self._function(),))
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            self._outcomes.put(error)
        finally:
            connections.close_all()
            self._slot.release()

    def result(self, seconds: float) -> T:
        """Wait for the result; raise what the call raised. May be called again after a time-out.

        Raises:
            TimeBudgetExceeded: if there is no result in time, or if the call was not made because too many
                others hang.
        """
        try:
            outcome = self._outcomes.get(timeout=seconds)
        except Empty:
            raise TimeBudgetExceeded(f"no response within {seconds:.2g} seconds") from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome[0]


class TimeBudget:
    """The time that one response may wait for unresponsive servers, over all its calls.

    Only waiting in vain counts. Other work, and calls that succeed, may take long on a busy machine.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = TIME_BUDGET_SECONDS if seconds is None else seconds
        #: Seconds that are left.
        self.left = self._seconds

    def result(self, call: BoundedCall[T], at_most: float | None = None) -> T:
        """Return a call's result, or raise what it raised. Either one renews the budget.

        Raises:
            TimeBudgetExceeded: if there is no result within what is left, or within ``at_most`` seconds. The
                time spent waiting is subtracted.
        """
        started = time.monotonic()
        try:
            result = call.result(self.left if at_most is None else min(self.left, at_most))
        except TimeBudgetExceeded:
            self.left = max(0.0, self.left - (time.monotonic() - started))
            raise
        except BaseException:
            self.renew()
            raise
        self.renew()
        return result

    def renew(self) -> None:
        """Restore the full budget, because a server has responded."""
        self.left = self._seconds
