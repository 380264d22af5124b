"""Reads request bodies within a time and a size; no thread waits for a client."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final, Protocol

from kyros.web_server.wsgi_environ import Environ

#: Key of a request's environ: why its body was not read, as a `Refusal`.
REFUSAL: Final = "kyros.body_refusal"

#: Bodies larger than this wait for one another, so that they use limited memory.
SMALL_BODY_BYTES: Final = 64 * 1024
MAX_LARGE_BODIES: Final = 32


@dataclass(frozen=True)
class Refusal:
    """The response to a request whose body was not read."""

    status: HTTPStatus
    detail: str


class AsgiProtocol(Protocol):
    """granian's ASGI protocol of one request; all its methods may be called from any thread."""

    async def receive(self) -> dict[str, Any]:
        """Return the next message: a part of the body, or that the client has disconnected."""

    def send(self, message: dict[str, Any]) -> Awaitable[None]:
        """Send a part of the response, at once unless the client reads slowly; await it in the event loop."""


def has_body(environ: Environ) -> bool:
    """Return whether a request announces a body (RFC 9112, 6.3)."""
    return environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ


class BodyReader:
    """Reads the bodies of a worker's requests."""

    def __init__(self, *, timeout: float, max_bytes: int) -> None:
        """Create a reader that refuses a body after `timeout` seconds or beyond `max_bytes`."""
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._large_bodies = asyncio.Semaphore(MAX_LARGE_BODIES)

    async def read(
        self,
        protocol: AsgiProtocol,
        environ: Environ,
        held: AsyncExitStack,
        deadline: float,
        first: dict[str, Any] | None = None,
    ) -> None:
        """Put a request's body, or the reason why there is none, into `environ`.

        A chunked body gets a length, without which Django ignores it.

        Args:
            protocol: where the body comes from.
            environ: the request's environment.
            held: is closed by the caller when the body is no longer needed.
            deadline: when the whole body must have arrived; see `deadline`.
            first: the first message with a part of the body, if it was received before.
        """
        body = bytearray()
        try:
            async with asyncio.timeout_at(deadline):
                refusal = self._too_large(_length(environ)) or await self._receive(
                    protocol, body, held, first
                )
        except TimeoutError:
            refusal = self.too_late()
        if refusal:
            environ[REFUSAL] = refusal
            body.clear()
        put_body(environ, body)

    def deadline(self) -> float:
        """Return until when the body of a request that has just begun must arrive; monotonic clock."""
        return time.monotonic() + self._timeout

    def too_late(self) -> Refusal:
        """Return the response to a request whose body took too long."""
        detail = f"The request's body did not arrive within {self._timeout:g} seconds."
        return Refusal(HTTPStatus.REQUEST_TIMEOUT, detail)

    async def _receive(
        self,
        protocol: AsgiProtocol,
        body: bytearray,
        held: AsyncExitStack,
        message: dict[str, Any] | None,
    ) -> Refusal | None:
        is_large = False
        while True:
            message = message or await protocol.receive()
            if message["type"] == "http.disconnect":
                return Refusal(HTTPStatus.BAD_REQUEST, "The request's body is incomplete.")
            body += message["body"]
            if refusal := self._too_large(len(body)):
                return refusal
            if not message["more_body"]:
                return None
            if not is_large and len(body) > SMALL_BODY_BYTES:
                is_large = True
                await held.enter_async_context(self._large_bodies)
            message = None

    def _too_large(self, length: int) -> Refusal | None:
        if length <= self._max_bytes:
            return None
        detail = f"The body is too large. Allowed: at most {self._max_bytes} bytes."
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def has_small_body(environ: Environ) -> bool:
    """Return whether a request announces the length of a body that may be read without waiting for others."""
    return "HTTP_TRANSFER_ENCODING" not in environ and 0 < _length(environ) <= SMALL_BODY_BYTES


def is_whole(message: dict[str, Any], environ: Environ) -> bool:
    """Return whether the first message with a part of a request's body has all of it."""
    return message["type"] == "http.request" and len(message["body"]) == _length(environ)


def put_body(environ: Environ, body: bytes | bytearray) -> None:
    """Put a request's body and its length into `environ`."""
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)


def _length(environ: Environ) -> int:
    """Return the announced length; granian has checked that it is a number."""
    return int(environ.get("CONTENT_LENGTH") or 0)
