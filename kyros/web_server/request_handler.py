"""Runs a WSGI application for requests that arrive by granian's ASGI interface."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any, Final, Protocol

from django.conf import settings

from kyros.web_server.request_body import REFUSAL, AsgiProtocol, BodyReader, has_body
from kyros.web_server.wsgi_environ import Environ, environ_of

logger = logging.getLogger(__name__)

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: Parts of such a response are sent together in pieces of about this size.
STREAM_PIECE_BYTES: Final = 64 * 1024


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

    granian calls it on one of its `WEB_THREADS`. A request without a body is handled there. A body is first
    read in the event loop; then the request is handled on another thread.
    """

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop, bodies: BodyReader) -> None:
        """Create a handler.

        Args:
            application: the WSGI application.
            loop: the worker's event loop.
            bodies: reads the bodies of requests.
        """
        self._application = application
        self._loop = loop
        self._bodies = bodies
        self._threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="request-with-body")
        # Each response that is produced while it is sent holds a thread, so there are fewer than threads.
        self._streams = BoundedSemaphore(settings.WEB_THREADS - 1)
        self._reading: set[asyncio.Task[None]] = set()

    def __call__(self, request: GranianRequest) -> None:
        """Handle a request, or start to read its body."""
        try:
            environ = environ_of(request.scope)
            if has_body(environ):
                self._loop.call_soon_threadsafe(self._start_reading, request.proto, environ)
            else:
                self._respond(request.proto, environ)
        except BaseException:  # granian ignores what is raised here, and responds with a 500
            logger.exception("A request failed")

    def _start_reading(self, protocol: AsgiProtocol, environ: Environ) -> None:
        task = self._loop.create_task(self._read_and_respond(protocol, environ))
        self._reading.add(task)  # the loop itself keeps weak references only
        task.add_done_callback(self._reading.discard)

    async def _read_and_respond(self, protocol: AsgiProtocol, environ: Environ) -> None:
        try:
            async with AsyncExitStack() as held:
                await self._bodies.read(protocol, environ, held)
                await self._loop.run_in_executor(self._threads, self._respond, protocol, environ)
        except Exception:
            logger.exception("A request with a body failed")

    def _respond(self, protocol: AsgiProtocol, environ: Environ) -> None:
        head = Head()
        body = self._application(environ, head)
        if REFUSAL in environ:
            head.headers.append(("Connection", "close"))
        try:
            if isinstance(body, list) or not getattr(body, "streaming", True):  # Django's attribute
                _send(protocol, head, b"".join(body))
            else:
                self._stream(protocol, head, body)
        finally:
            if hasattr(body, "close"):
                body.close()

    def _stream(self, protocol: AsgiProtocol, head: Head, body: Iterable[bytes]) -> None:
        if not self._streams.acquire(blocking=False):
            head(f"{HTTPStatus.SERVICE_UNAVAILABLE.value}", [("Retry-After", "10"), ("Content-Length", "0")])
            _send(protocol, head, b"")
            return
        disconnected = asyncio.run_coroutine_threadsafe(_disconnect(protocol), self._loop)
        try:
            protocol.send(head.message())
            for piece in _pieces(body):
                if disconnected.done():
                    return
                asyncio.run_coroutine_threadsafe(_send_piece(protocol, piece), self._loop).result()
            protocol.send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            disconnected.cancel()
            self._streams.release()


def _send(protocol: AsgiProtocol, head: Head, body: bytes) -> None:
    # Both are done when `send` returns; a whole response never waits.
    protocol.send(head.message())
    protocol.send({"type": "http.response.body", "body": body, "more_body": False})


async def _send_piece(protocol: AsgiProtocol, piece: bytes) -> None:
    await protocol.send({"type": "http.response.body", "body": piece, "more_body": True})


async def _disconnect(protocol: AsgiProtocol) -> None:
    """Return when the client has disconnected."""
    while (await protocol.receive())["type"] != "http.disconnect":
        pass


def _pieces(body: Iterable[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for part in body:
        piece += part
        if len(piece) >= STREAM_PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
