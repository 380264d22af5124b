"""The request to end that a signal makes of the relay."""

import sys
import threading
from itertools import count
from types import FrameType
from typing import Any

import pytest

from orchestrator.cache.relay import StopRequest

pytestmark = pytest.mark.engine_neutral


def wait_interrupted_at(line: int) -> tuple[bool, bool]:
    """Wait for a request in a thread that makes it itself before a line, as a signal handler would.

    Returns:
        Whether the wait has ended, and whether the request was made.
    """
    request, lines = StopRequest(), count()
    made: list[bool] = []

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and next(lines) == line:
            made.append(True)
            request.make()
        return trace

    def wait() -> None:
        sys.settrace(trace)
        request.wait(0.01)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(10)
    if not thread.is_alive() and made:
        assert request.wait(0), "the request was lost"
    return not thread.is_alive(), bool(made)


def test_a_signal_handler_may_make_it_wherever_it_interrupts_the_wait():
    for line in count():
        ended, was_made = wait_interrupted_at(line)
        assert ended, f"a request at line {line} of the wait deadlocks"
        if not was_made:  # the wait has fewer lines
            break
    assert line > 1


def test_every_thread_sees_it_and_it_stays():
    request = StopRequest()
    assert not request.wait(0)
    seen: list[bool] = []
    threads = [threading.Thread(target=lambda: seen.append(request.wait(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    request.make()
    for thread in threads:
        thread.join()
    assert seen == [True, True, True]
    assert request.wait(0)
