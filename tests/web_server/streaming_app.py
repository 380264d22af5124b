"""A WSGI application that streams without end, and says how many streams it is producing."""

from collections.abc import Callable, Iterator
from typing import Any


def streaming() -> Callable[..., Any]:
    """Return the application: `/endless` streams, `/large` is 8 MiB, others are the number of streams."""
    streams: set[object] = set()

    def endless() -> Iterator[bytes]:
        me = object()
        streams.add(me)
        try:
            while True:
                yield b"x" * 65536
        finally:
            streams.remove(me)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/large":
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(8 * 1024**2))])
            return [b"x" * 8 * 1024**2]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return endless() if environ["PATH_INFO"] == "/endless" else [b"%d" % len(streams)]

    return application
