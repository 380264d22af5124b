"""The circuit breaker: when the cache server is not asked."""

import logging
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Final

from orchestrator.cache import timing

logger = logging.getLogger(__name__)

#: So many failures in a row open the breaker; one time-out does it alone, because it costs a whole time-out.
FAILURES_TO_OPEN: Final = 3


class BreakerState(Enum):
    """Whether calls go out."""

    CLOSED = "closed"
    OPEN = "open"


class CircuitBreaker:
    """Shuts the door to a server that fails, and opens it again after a probe that succeeds.

    Probes run in a thread of their own, which lives only while the breaker is open: no request pays for one.

    Args:
        probe: asks the server whether it is well; raises when it is not.
        on_change: called with the new state after each change.
    """

    def __init__(self, probe: Callable[[], object], on_change: Callable[[BreakerState], None]) -> None:
        self._probe = probe
        self._on_change = on_change
        self._lock = threading.Lock()
        self._failures = 0
        self.state = BreakerState.CLOSED
        self.changed_at = time.time()

    @property
    def closed(self) -> bool:
        """Tell whether calls go out."""
        return self.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """Note a call that was answered."""
        self._failures = 0

    def failed(self, *, timed_out: bool) -> None:
        """Note a call that was not answered; open the breaker if that was one too many."""
        with self._lock:
            self._failures += 1
            if self.state is BreakerState.OPEN or not (timed_out or self._failures >= FAILURES_TO_OPEN):
                return
            self._change(BreakerState.OPEN)
        threading.Thread(target=self._probe_until_well, name="cache-probe", daemon=True).start()

    def _probe_until_well(self) -> None:
        while True:
            time.sleep(timing.PROBE_EVERY)
            try:
                self._probe()
            except ConnectionError:
                continue
            except Exception:  # whatever it is, a breaker that nobody probes would stay open for ever
                logger.exception("The probe of the cache server failed")
                continue
            with self._lock:
                self._failures = 0
                self._change(BreakerState.CLOSED)
            return

    def _change(self, state: BreakerState) -> None:
        self.state = state
        self.changed_at = time.time()
        self._on_change(state)
