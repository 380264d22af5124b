"""The circuit breaker: while it is open, requests do not call the cache server."""

import logging
import math
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Final

from orchestrator.cache import timing

logger = logging.getLogger(__name__)

#: Failures in a row that open the breaker. A single time-out opens it, because each costs the whole time-out.
FAILURES_TO_OPEN: Final = 3

#: How many more slow calls than fast ones open the breaker, if there are more slow ones for as long as
#: ``timing.SLOW_FOR``. The number alone would mean little: a busy machine stalls all threads at once.
SLOW_CALLS_TO_OPEN: Final = 3


class BreakerState(Enum):
    """Whether calls are made (closed) or not (open)."""

    CLOSED = "closed"
    OPEN = "open"


class CircuitBreaker:
    """Opens when calls fail or are slow, and closes when a probe succeeds.

    Probes run in a thread of their own while the breaker is open, so no request waits for one.

    Args:
        probe: checks the server; raises while it is unhealthy.
        on_change: called with the new state after each change.
    """

    def __init__(self, probe: Callable[[], object], on_change: Callable[[BreakerState], None]) -> None:
        self._probe = probe
        self._on_change = on_change
        self._lock = threading.Lock()
        self._failures = 0
        self._slow_surplus, self._slow_since = 0, 0.0
        self._closed_at = -math.inf
        self._pause = timing.PROBE_EVERY
        self.state = BreakerState.CLOSED

    @property
    def closed(self) -> bool:
        """Return whether calls are made."""
        return self.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """Record a call that succeeded."""
        self._failures = 0

    def failed(self, *, timed_out: bool) -> None:
        """Record a call that failed, and open the breaker if there were too many."""
        with self._lock:
            self._failures += 1
            if timed_out or self._failures >= FAILURES_TO_OPEN:
                self._open()

    def responded(self, *, slow: bool) -> None:
        """Record whether a call was slow, and open the breaker if most have been for long enough."""
        if not (slow or self._slow_surplus):
            return
        with self._lock:
            now = time.monotonic()
            if not self._slow_surplus:
                self._slow_since = now
            self._slow_surplus = max(0, self._slow_surplus + (1 if slow else -1))
            if self._slow_surplus >= SLOW_CALLS_TO_OPEN and now - self._slow_since >= timing.SLOW_FOR:
                self._open()

    def _open(self) -> None:
        if self.state is BreakerState.OPEN:
            return
        flapping = time.monotonic() - self._closed_at < timing.FLAPPING_WITHIN
        self._pause = min(2 * self._pause, timing.MAX_PROBE_EVERY) if flapping else timing.PROBE_EVERY
        try:
            threading.Thread(target=self._probe_until_healthy, name="cache-probe", daemon=True).start()
        except RuntimeError:
            return  # no more threads can be started, so none would close it: the next failure tries again
        self._change(BreakerState.OPEN)

    def _probe_until_healthy(self) -> None:
        while True:
            time.sleep(self._pause)
            try:
                self._probe()
            except ConnectionError:
                continue
            except Exception:
                # It must not end the probing: the breaker would stay open for ever.
                logger.exception("The probe of the cache server failed")
                continue
            with self._lock:
                self._failures = self._slow_surplus = 0
                self._closed_at = time.monotonic()
                self._change(BreakerState.CLOSED)
            return

    def _change(self, state: BreakerState) -> None:
        self.state = state
        self._on_change(state)
