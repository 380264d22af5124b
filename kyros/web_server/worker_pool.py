"""Keeps the worker processes running: each that ends is replaced."""

import logging
import multiprocessing
import multiprocessing.connection
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Event
from typing import Final

logger = logging.getLogger(__name__)

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: A worker that has not ended this long after SIGTERM is killed.
GRACE_SECONDS: Final = 3.0
#: A worker that ran for so long is replaced at once; others after a pause that doubles each time.
STABLE_SECONDS: Final = 30.0
MIN_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0

#: What a worker process runs: gets the worker's number and an event to set when it serves requests.
Target = Callable[[int, Event], None]


@dataclass
class WorkerSlot:
    """One of the workers; its process is replaced when it ends."""

    number: int
    process: ForkProcess | None = None
    #: When the process was started, or is to be started; monotonic clock.
    start: float = 0.0
    pause: float = 0.0

    def plan_replacement(self, now: float) -> None:
        """Set when to start the next process, after the last one has ended."""
        stable = now - self.start >= STABLE_SECONDS
        self.pause = 0.0 if stable else min(max(2 * self.pause, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
        self.process = None
        self.start = now + self.pause


class WorkerPool:
    """The worker processes of a web server."""

    def __init__(self, count: int, target: Target) -> None:
        """Create a pool of `count` workers that run `target`."""
        # Workers inherit the listening socket. This process has no other thread, so a fork is safe.
        self._context = multiprocessing.get_context("fork")
        self._target = target
        self._slots = [WorkerSlot(number) for number in range(1, count + 1)]
        #: Whether any worker has ever served requests.
        self._ready = self._context.Event()

    def run(self) -> int:
        """Run the workers until a signal arrives.

        Returns:
            0, or the exit status of a worker that failed before any worker was ready.
        """
        with _signals() as signals:
            try:
                while True:
                    self._start_due()
                    ended = multiprocessing.connection.wait([signals, *self._running()], self._seconds())
                    if signals in ended:
                        return 0
                    for slot in self._ended():
                        if (status := self._replace(slot)) and not self._ready.is_set():
                            return status
            finally:
                self._stop()

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.process is None and slot.start <= now:
                slot.start = now
                slot.process = self._context.Process(target=self._run_worker, args=(slot.number,))
                slot.process.start()

    def _run_worker(self, number: int) -> None:
        signal.set_wakeup_fd(-1)
        for each in STOP_SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        self._target(number, self._ready)

    def _running(self) -> list[int]:
        return [slot.process.sentinel for slot in self._slots if slot.process]

    def _seconds(self) -> float | None:
        """Return the time until the next start of a process, or None if all are running."""
        starts = [slot.start for slot in self._slots if slot.process is None]
        return max(0.0, min(starts) - time.monotonic()) if starts else None

    def _ended(self) -> list[WorkerSlot]:
        return [slot for slot in self._slots if slot.process and slot.process.exitcode is not None]

    def _replace(self, slot: WorkerSlot) -> int:
        """Plan the replacement of a worker that has ended; return its exit status, 0 for a signal."""
        status = slot.process.exitcode or 0 if slot.process else 0
        slot.plan_replacement(time.monotonic())
        reason = signal.Signals(-status).name if status < 0 else f"status {status}"
        logger.error("Web worker %d ended (%s); replacing it in %.1f s", slot.number, reason, slot.pause)
        return max(status, 0)

    def _stop(self) -> None:
        processes = [slot.process for slot in self._slots if slot.process]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.join()


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Yield a socket that becomes readable when one of `STOP_SIGNALS` has arrived."""
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.settimeout(0)  # a signal handler must not wait
        signal.set_wakeup_fd(writer.fileno())
        before = [signal.signal(each, lambda *_: None) for each in STOP_SIGNALS]
        try:
            yield reader
        finally:
            for each, handler in zip(STOP_SIGNALS, before, strict=True):
                signal.signal(each, handler)
            signal.set_wakeup_fd(-1)
