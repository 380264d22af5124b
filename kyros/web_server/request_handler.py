"""Runs a WSGI application for requests that arrive by granian's ASGI interface."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any, Final, Protocol

from django.conf import settings

from kyros.web_server.first_part import FirstParts, Message
from kyros.web_server.request_body import (
    REFUSAL,
    AsgiProtocol,
    BodyReader,
    has_body,
    has_small_body,
    is_whole,
    put_body,
)
from kyros.web_server.wsgi_environ import Environ, environ_of

logger = logging.getLogger(__name__)

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: Parts of a response that is produced while it is sent, and pieces of a large one, have about this size.
PIECE_BYTES: Final = 64 * 1024
#: Bytes of large responses, those of more than a piece, that a worker holds while their clients read them.
MAX_UNSENT_BYTES: Final = 64 * 1024 * 1024
#: A client that does not take a piece of a response within this time is cut off.
PIECE_TIMEOUT_SECONDS: Final = 30


class GranianRequest(Protocol):
    """What granian calls the handler with."""

    scope: dict[str, Any]
    proto: AsgiProtocol


class Head:
    """The `start_response` of a request: keeps the status and the headers."""

    status: int
    headers: list[tuple[str, str]]

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        """Keep them; `exc_info` does not matter, because nothing has been sent yet."""
        self.status = int(status[:3])
        self.headers = headers

    def message(self) -> dict[str, Any]:
        """Return them as an ASGI message."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        return {"type": "http.response.start", "status": self.status, "headers": headers}


class RequestHandler:
    """Handles the requests of a worker.

    granian calls it on one of its `WEB_THREADS`. A request without a body is handled there. A request with a
    body is handled on another thread as soon as the body has been read: a small one that arrives in one part
    is read without the event loop, all others in it.
    """

    def __init__(
        self,
        application: Application,
        loop: asyncio.AbstractEventLoop,
        bodies: BodyReader,
        first_parts: FirstParts,
    ) -> None:
        """Create a handler.

        Args:
            application: the WSGI application.
            loop: the worker's event loop.
            bodies: reads the bodies of requests in the event loop.
            first_parts: receives the first parts of small bodies.
        """
        self._application = application
        self._loop = loop
        self._bodies = bodies
        self._first_parts = first_parts
        self._threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="request-with-body")
        # Each response that is produced while it is sent holds a thread, so there are fewer than threads.
        self._streams = BoundedSemaphore(settings.WEB_THREADS - 1)
        self._unsent_bytes = 0  # changed in the event loop only
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, request: GranianRequest) -> None:
        """Handle a request, or start to read its body."""
        try:
            environ = environ_of(request.scope)
            if has_small_body(environ):
                deadline = self._bodies.deadline()
                then = partial(self._take_first, request.proto, environ, deadline)
                self._first_parts.receive(request.proto, deadline, then)
            elif has_body(environ):
                deadline = self._bodies.deadline()
                self._loop.call_soon_threadsafe(self._start_reading, request.proto, environ, deadline)
            else:
                self._respond(request.proto, environ)
        except BaseException:  # granian ignores what is raised here, and responds with a 500
            logger.exception("A request failed")

    def _take_first(
        self, protocol: AsgiProtocol, environ: Environ, deadline: float, message: Message | None
    ) -> None:
        """Take the first part of a body, or None if it did not arrive in time."""
        if message is None:
            environ[REFUSAL] = self._bodies.too_late()
            put_body(environ, b"")
        elif is_whole(message, environ):
            put_body(environ, message["body"])
        else:
            self._loop.call_soon_threadsafe(self._start_reading, protocol, environ, deadline, message)
            return
        self._threads.submit(self._respond_or_log, protocol, environ)

    def _respond_or_log(self, protocol: AsgiProtocol, environ: Environ) -> None:
        try:
            self._respond(protocol, environ)
        except BaseException:  # nothing reads the result of the thread's work
            logger.exception("A request failed")

    def _start_reading(
        self, protocol: AsgiProtocol, environ: Environ, deadline: float, first: Message | None = None
    ) -> None:
        self._start(self._read_and_respond(protocol, environ, deadline, first))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)  # the loop itself keeps weak references only
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("A request failed", exc_info=error)

    async def _read_and_respond(
        self, protocol: AsgiProtocol, environ: Environ, deadline: float, first: Message | None
    ) -> None:
        async with AsyncExitStack() as held:
            await self._bodies.read(protocol, environ, held, deadline, first)
            await self._loop.run_in_executor(self._threads, self._respond, protocol, environ)

    def _respond(self, protocol: AsgiProtocol, environ: Environ) -> None:
        head = Head()
        body = self._application(environ, head)
        if REFUSAL in environ:
            head.headers.append(("Connection", "close"))
        try:
            if isinstance(body, list) or not getattr(body, "streaming", True):  # Django's attribute
                self._send_whole(protocol, head, b"".join(body))
            else:
                self._stream(protocol, head, body)
        finally:
            if hasattr(body, "close"):
                body.close()

    def _send_whole(self, protocol: AsgiProtocol, head: Head, content: bytes) -> None:
        if len(content) <= PIECE_BYTES:
            _send(protocol, head, content)
        else:
            self._loop.call_soon_threadsafe(self._start_sending, protocol, head, content)

    def _start_sending(self, protocol: AsgiProtocol, head: Head, content: bytes) -> None:
        if self._unsent_bytes + len(content) > MAX_UNSENT_BYTES:
            _send_busy(protocol, head)
            return
        self._unsent_bytes += len(content)
        self._start(self._send_large(protocol, head, content))

    async def _send_large(self, protocol: AsgiProtocol, head: Head, content: bytes) -> None:
        """Send a response as fast as its client reads it."""
        try:
            protocol.send(head.message())
            for start in range(0, len(content), PIECE_BYTES):
                if not await _send_piece(protocol, content[start : start + PIECE_BYTES]):
                    return
            protocol.send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._unsent_bytes -= len(content)

    def _stream(self, protocol: AsgiProtocol, head: Head, body: Iterable[bytes]) -> None:
        if not self._streams.acquire(blocking=False):
            _send_busy(protocol, head)
            return
        disconnected = asyncio.run_coroutine_threadsafe(_disconnect(protocol), self._loop)
        try:
            protocol.send(head.message())
            for piece in _pieces(body):
                if disconnected.done():
                    return
                sent = asyncio.run_coroutine_threadsafe(_send_piece(protocol, piece), self._loop)
                if not sent.result():
                    return
            protocol.send({"type": "http.response.body", "body": b"", "more_body": False})
            # Not after a failure: while it waits, granian does not end the response as if it were complete.
            disconnected.cancel()
        finally:
            self._streams.release()


def _send(protocol: AsgiProtocol, head: Head, body: bytes) -> None:
    # Both are done when `send` returns; a whole response never waits.
    protocol.send(head.message())
    protocol.send({"type": "http.response.body", "body": body, "more_body": False})


def _send_busy(protocol: AsgiProtocol, head: Head) -> None:
    head(f"{HTTPStatus.SERVICE_UNAVAILABLE.value}", [("Retry-After", "10"), ("Content-Length", "0")])
    _send(protocol, head, b"")


async def _send_piece(protocol: AsgiProtocol, piece: bytes) -> bool:
    """Send a piece of a response; return whether the client took it in time."""
    # Caught here: as the result of the task it would keep the connection until the next garbage collection.
    try:
        async with asyncio.timeout(PIECE_TIMEOUT_SECONDS):
            await protocol.send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        logger.warning("A client did not read its response and was cut off")
        return False
    return True


async def _disconnect(protocol: AsgiProtocol) -> None:
    """Return when the client has disconnected."""
    while (await protocol.receive())["type"] != "http.disconnect":
        pass


def _pieces(body: Iterable[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for part in body:
        piece += part
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
