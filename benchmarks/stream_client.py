"""Follows the event stream over many connections: `python benchmarks/stream_client.py`.

The first line of its input describes the run. It prints "ready" when every connection receives. When its
input ends, it prints what it has received, as JSON: the number of events, and the 50th and 99th percentile of
the milliseconds since the timestamp in their payload.
"""

import json
import re
import selectors
import socket
import sys
import time
from array import array
from dataclasses import dataclass, field

_SENT_AT = re.compile(rb'"at":([0-9.]+)\}')
_START_SECONDS = 300


@dataclass
class Followers:
    """Connections that follow the stream."""

    latencies: "array[float]" = field(default_factory=lambda: array("d"))

    def __post_init__(self) -> None:
        """Create the selector, which also watches the input."""
        self._selector = selectors.DefaultSelector()
        self._rest: dict[socket.socket, bytes] = {}
        self._started: set[socket.socket] = set()

    def connect(self, host: str, port: int, request: bytes, connections: int) -> None:
        """Open connections, a few at a time, until each has received the first line."""
        deadline = time.monotonic() + _START_SECONDS
        while len(self._started) < connections:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._started)} of {connections} connections were accepted")
            if len(self._rest) < min(connections, len(self._started) + 50):
                connection = socket.create_connection((host, port))
                connection.sendall(request)
                connection.setblocking(False)  # noqa: FBT003 - socket's
                self._selector.register(connection, selectors.EVENT_READ)
                self._rest[connection] = b""
            self.receive(0.001)

    def receive(self, seconds: float) -> bool:
        """Receive what has arrived, or wait for it; return whether the input has ended."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is sys.stdin:
                return True
            self._receive(key.fileobj)  # type: ignore[arg-type]
        return False

    def _receive(self, connection: socket.socket) -> None:
        received = connection.recv(256 * 1024)
        now = time.time()
        if not received:
            raise ConnectionError("the stream has ended")
        data = self._rest[connection] + received
        if connection not in self._started and b": ok" in data:
            self._started.add(connection)
        end = data.rfind(b"\n") + 1
        self._rest[connection] = data[end:]
        self.latencies.extend(1000 * (now - float(sent)) for sent in _SENT_AT.findall(data, 0, end))

    def receive_until_input_ends(self) -> None:
        """Receive until the input ends."""
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        while not self.receive(1):
            """Receive more."""


def main() -> None:
    """Run what the first line of the input describes."""
    run = json.loads(sys.stdin.readline())
    followers = Followers()
    followers.connect(run["host"], run["port"], run["request"].encode(), run["connections"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    followers.receive_until_input_ends()
    latencies = sorted(followers.latencies)
    percentiles = {f"p{part}_ms": latencies[len(latencies) * part // 100] for part in (50, 99)}
    sys.stdout.write(json.dumps({"events": len(latencies), **percentiles}))


if __name__ == "__main__":
    main()
