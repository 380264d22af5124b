"""The bundled load generator: one process, keep-alive connections, standard library only.

It reads a JSON object from standard input, as `benchmarks.load` writes it, and prints the result as JSON.
"""

import json
import math
import re
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

BUFFER_BYTES = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_WITHOUT_BODY = (b"204", b"304")
_UNTIL_CLOSE = -1


class LoadError(Exception):
    """A response was an error, or broke off."""


class ResponseReader:
    """Reads HTTP/1.1 responses from a socket, one after the other, and finds the end of each.

    It skips bodies: with Content-Length, chunked, empty, or ended by closing the connection.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Read from a connection on which the next bytes begin a response."""
        self._socket = connection
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self.begin()

    def begin(self) -> None:
        """Expect a new response."""
        self._start = self._end = 0  # of the bytes that are in the buffer and not parsed yet
        self._skip = 0  # bytes of the body before the next line
        self._in_head, self._chunked, self._last_chunk = True, False, False
        self.keeps_alive = True

    def read(self) -> bool:
        """Read once from the socket; return whether the response is complete.

        Raises:
            LoadError: the status is neither 2xx nor 304, or the connection ended before the response.
        """
        if self._start == self._end:
            self._start = self._end = 0
        count = self._socket.recv_into(self._view[self._end :])
        if not count:
            if self._skip == _UNTIL_CLOSE:
                return True
            raise LoadError("the server closed the connection before the end of a response")
        self._end += count
        return self._parse_head() if self._in_head else self._parse_body()

    def _parse_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, self._end)
        if end < 0:
            if self._end == BUFFER_BYTES:
                raise LoadError("the response's headers are too long")
            return False
        status = bytes(self._buffer[9:12])
        if not status.startswith((b"2", b"304")):
            raise LoadError(bytes(self._buffer[: self._end]).decode(errors="replace"))
        self._in_head, self._start = False, end + 4
        self._choose_framing(status, end)
        return self._parse_body()

    def _choose_framing(self, status: bytes, head_end: int) -> None:
        self.keeps_alive = _CLOSE.search(self._buffer, 0, head_end) is None
        if status in _WITHOUT_BODY:
            return
        if _CHUNKED.search(self._buffer, 0, head_end):
            self._chunked = True
        elif length := _LENGTH.search(self._buffer, 0, head_end):
            self._skip = int(length[1])
        else:
            self._skip = _UNTIL_CLOSE
            self.keeps_alive = False

    def _parse_body(self) -> bool:
        """Skip the bytes of the body in the buffer; return whether they are the last."""
        if self._skip == _UNTIL_CLOSE:
            self._start = self._end
            return False
        self._skip_bytes()
        while self._chunked and not self._skip:
            line_end = self._buffer.find(b"\r\n", self._start, self._end)
            if line_end < 0:
                self._make_room()
                return False
            line, self._start = bytes(self._buffer[self._start : line_end]), line_end + 2
            self._parse_chunk_line(line)
            self._skip_bytes()
        return not self._skip

    def _parse_chunk_line(self, line: bytes) -> None:
        """Read a chunk's size; after the chunk of size 0, a trailer or the empty line at the end."""
        if self._last_chunk:
            self._chunked = bool(line)
        elif size := int(line.partition(b";")[0], 16):
            self._skip = size + 2  # and the line end after the data
        else:
            self._last_chunk = True

    def _skip_bytes(self) -> None:
        skipped = min(self._skip, self._end - self._start)
        self._start += skipped
        self._skip -= skipped

    def _make_room(self) -> None:
        """Move the beginning of a line to the beginning of the buffer."""
        rest = bytes(self._buffer[self._start : self._end])
        self._buffer[: len(rest)] = rest
        self._start, self._end = 0, len(rest)


class RequestBytes:
    """The bytes of a request: made once, but for the number that takes the place of "{n}" in its path."""

    def __init__(self, spec: dict[str, Any]) -> None:
        """Make them of ``method``, ``path``, ``headers`` and ``body``."""
        body = spec["body"].encode()
        headers = {"Host": f"{spec['host']}:{spec['port']}", **spec["headers"]}
        if body:
            headers["Content-Length"] = str(len(body))
        path, self._numbered, rest = spec["path"].partition("{n}")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._before = f"{spec['method']} {path}".encode()
        self._after = f"{rest} HTTP/1.1\r\n{lines}\r\n".encode() + body
        self._constant = self._before + self._after
        self._number = spec["first"]

    def next(self) -> bytes:
        """Return the next request."""
        if not self._numbered:
            return self._constant
        self._number += 1
        return self._before + b"%d" % self._number + self._after


class LoadConnection:
    """A connection that sends its next request as soon as its last response is complete."""

    def __init__(self, address: tuple[str, int], requests: RequestBytes) -> None:
        """Connect, and send the first request."""
        self._address = address
        self._requests = requests
        self.connect()

    def connect(self) -> None:
        """Open the connection and send a request."""
        self.socket = socket.create_connection(self._address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = ResponseReader(self.socket)
        self.send()

    def send(self) -> None:
        """Send the next request."""
        request = self._requests.next()
        self._reader.begin()
        self._sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> float | None:
        """Read once; return the seconds from request to response if the response is complete."""
        if self._reader.read():
            return time.perf_counter() - self._sent_at
        return None

    @property
    def keeps_alive(self) -> bool:
        """Return whether the server takes another request on this connection after the last response."""
        return self._reader.keeps_alive


def measure(spec: dict[str, Any]) -> dict[str, float]:
    """Send requests for ``spec["seconds"]``; return the arguments of `benchmarks.load.LoadResult`."""
    requests = RequestBytes(spec)
    with selectors.DefaultSelector() as selector:
        connections = [
            LoadConnection((spec["host"], spec["port"]), requests) for _ in range(spec["connections"])
        ]
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        try:
            return _summary(*_run(selector, spec["seconds"]))
        finally:
            for connection in connections:
                connection.socket.close()


def _run(selector: selectors.BaseSelector, seconds: float) -> tuple[list[float], float]:
    """Return each response's latency, and how long it all took, in seconds."""
    latencies: list[float] = []
    began = time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        for key, _ in selector.select(seconds - took):
            latency = key.data.receive()
            if latency is not None:
                latencies.append(latency)
                _send_next(selector, key.data)
    return latencies, took


def _send_next(selector: selectors.BaseSelector, connection: LoadConnection) -> None:
    if connection.keeps_alive:
        connection.send()
        return
    selector.unregister(connection.socket)
    connection.socket.close()
    connection.connect()
    selector.register(connection.socket, selectors.EVENT_READ, connection)


def _summary(latencies: Sequence[float], seconds: float) -> dict[str, float]:
    if not latencies:
        raise LoadError(f"no response within {seconds:.1f} s")
    ordered = sorted(latencies)
    return {
        "requests": len(ordered),
        "requests_per_second": len(ordered) / seconds,
        "p50_ms": _percentile(ordered, 50) * 1000,
        "p99_ms": _percentile(ordered, 99) * 1000,
    }


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(measure(json.load(sys.stdin))))
    except (LoadError, OSError) as error:
        sys.exit(str(error))
