"""The first part of a request's body, which usually is the whole body.

It is received on granian's threads. In the event loop it would cost more processor time than all else that
the web server does for a request, because several threads would wake one another.
"""

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, Protocol

from kyros.web_server.request_body import AsgiProtocol

Message = dict[str, Any]

#: Seconds between two looks for parts that are late.
CHECK_SECONDS: Final = 0.5


class _Future(Protocol):
    def add_done_callback(self, callback: Callable[["_Future"], None], context: Context | None) -> None: ...
    def cancel(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def result(self) -> Message: ...


class _Arrival:
    """What happens when a part has arrived, or is too late."""

    # It must not refer to its future: granian's futures take no part in the collection of cycles.
    def __init__(self, then: Callable[[Message | None], None]) -> None:
        self._then = then

    def __call__(self, future: _Future) -> None:
        self._then(None if future.cancelled() else future.result())


class WorkerLoop(asyncio.SelectorEventLoop):
    """An event loop through which granian calls an ``_Arrival`` at once, on the thread that it is on."""

    def call_soon(  # type: ignore[override]  # the arguments' types are not of interest here
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback; an ``_Arrival`` is called instead."""
        if isinstance(callback, _Arrival):
            callback(*args)
            return asyncio.Handle(callback, args, self)
        return super().call_soon(callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as ``call_soon`` does, on any thread."""
        if isinstance(callback, _Arrival):
            return self.call_soon(callback, *args)
        return super().call_soon_threadsafe(callback, *args, context=context)


class FirstParts:
    """Receives the first parts of bodies, each until a deadline."""

    def __init__(self, loop: WorkerLoop) -> None:
        """Receive on `loop`'s worker."""
        self._loop = loop
        self._expected: dict[int, tuple[float, _Future]] = {}  # in the order of their deadlines
        loop.call_later(CHECK_SECONDS, self._cancel_late)

    def receive(
        self, protocol: AsgiProtocol, deadline: float, then: Callable[[Message | None], None]
    ) -> None:
        """Call `then` with the first part of a request's body, on any thread; with None if it is too late.

        Deadlines, of the monotonic clock, are equally long after the calls.
        """
        future: Any = protocol.receive()
        key = id(future)

        def arrived(message: Message | None) -> None:
            self._expected.pop(key, None)
            then(message)

        self._expected[key] = deadline, future
        future.add_done_callback(_Arrival(arrived), None)

    def _cancel_late(self) -> None:
        now = time.monotonic()
        for deadline, future in list(self._expected.values()):
            if deadline > now:
                break
            future.cancel()
        self._loop.call_later(CHECK_SECONDS, self._cancel_late)
