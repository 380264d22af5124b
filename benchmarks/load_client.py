"""A client that asks a web server without pause: one process, many connections, no library.

It reads what to ask from standard input, as `benchmarks.load` writes it, and prints what came of it.
"""

import json
import re
import selectors
import socket
import statistics
import sys
import time
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WITHOUT_BODY = (b"204", b"304")


class Asker:
    """One connection, which asks again as soon as it was answered."""

    def __init__(self, asked: dict[str, Any]) -> None:
        """Connect; ``asked`` is what standard input said."""
        self.socket = socket.create_connection(("127.0.0.1", asked["port"]))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = "".join(f"{name}: {value}\r\n" for name, value in asked["headers"].items())
        body = asked["body"].encode()
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        path, mark, rest = asked["path"].partition("{n}")
        self._before = f"{asked['method']} {path}".encode()
        self._numbered = bool(mark)
        self._after = f"{rest} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}{length}\r\n".encode() + body
        self._buffer = bytearray(1 << 18)
        self._view = memoryview(self._buffer)

    def ask(self, number: int) -> None:
        """Send the next request."""
        middle = b"%d" % number if self._numbered else b""
        self.socket.sendall(self._before + middle + self._after)
        self.asked_at = time.perf_counter()
        self._missing = -1
        self._received = 0

    def answered(self) -> bool:
        """Read what has come; return whether that was the end of the answer."""
        if self._missing > 0:
            self._missing -= self._read(0)
            return self._missing == 0
        self._received += self._read(self._received)
        head = self._buffer.find(b"\r\n\r\n", 0, self._received)
        if head < 0:
            return False
        status = bytes(self._buffer[9:12])
        if not status.startswith((b"2", b"304")):
            raise SystemExit(bytes(self._buffer[: self._received]).decode(errors="replace"))
        length = _LENGTH.search(self._buffer, 0, head)
        if length is None and status not in _WITHOUT_BODY:
            raise SystemExit("an answer without a length")
        whole = head + 4 + (int(length[1]) if length and status not in _WITHOUT_BODY else 0)
        self._missing = whole - self._received
        return self._missing == 0

    def _read(self, at: int) -> int:
        count = self.socket.recv_into(self._view[at:])
        if not count:
            raise SystemExit("the server closed a connection")
        return count


def drive(asked: dict[str, Any]) -> dict[str, float]:
    """Ask until the time is over; return what `benchmarks.load.Load` holds."""
    selector = selectors.DefaultSelector()
    number = asked["first"]
    for _ in range(asked["connections"]):
        asker = Asker(asked)
        selector.register(asker.socket, selectors.EVENT_READ, asker)
        number += 1
        asker.ask(number)
    times: list[float] = []
    began = now = time.perf_counter()
    while now - began < asked["seconds"]:
        for key, _ in selector.select(1):
            asker = key.data
            if asker.answered():
                now = time.perf_counter()
                times.append(now - asker.asked_at)
                number += 1
                asker.ask(number)
        now = time.perf_counter()
    cut = statistics.quantiles(times, n=100, method="inclusive")
    return {"per_second": len(times) / (now - began), "p50": cut[49] * 1000, "p99": cut[98] * 1000}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(drive(json.load(sys.stdin))))
