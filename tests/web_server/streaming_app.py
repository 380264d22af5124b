"""A WSGI application that streams without end, and says how many streams it is producing."""

from collections.abc import Callable, Iterator
from typing import Any

from kyros.web_server import request_handler


def impatient() -> Callable[..., Any]:
    """Return the application, on a server that soon cuts off a client that does not read."""
    request_handler.PIECE_TIMEOUT_SECONDS = 0.5
    return streaming()


def streaming() -> Callable[..., Any]:
    """Return the application.

    `/endless` streams, `/broken` streams and fails, `/large` is 8 MiB, others are the number of streams.
    """
    streams: set[object] = set()

    def endless() -> Iterator[bytes]:
        me = object()
        streams.add(me)
        try:
            while True:
                yield b"x" * 65536
        finally:
            streams.remove(me)

    def broken() -> Iterator[bytes]:
        yield b"x" * 65536
        raise ValueError("a stream that fails")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/large":
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(8 * 1024**2))])
            return [b"x" * 8 * 1024**2]
        start_response("200 OK", [("Content-Type", "text/plain")])
        body = {"/endless": endless, "/broken": broken}.get(environ["PATH_INFO"])
        return body() if body else [b"%d" % len(streams)]

    return application
