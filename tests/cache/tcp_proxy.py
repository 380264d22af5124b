"""A TCP proxy between one process and a server, which a test can disconnect or slow down."""

import contextlib
import math
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

#: Seconds between two pieces of a reply that drips.
DRIP_SECONDS: Final = 0.01


class TcpProxy:
    """Forwards a TCP port to a server's Unix socket until it is cut.

    Args:
        target: the server's socket.
    """

    def __init__(self, target: Path) -> None:
        self.delay = 0.0
        """Seconds for which each reply is held back."""
        self.request_bytes_per_second, self.reply_bytes_per_second = math.inf, math.inf
        self.replies, self.reply_bytes = 0, 0
        """Number of replies, or parts of large ones, and of their bytes that were sent so far."""
        self._never = threading.Event()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connected = True
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        """Return the proxy's URL, as ``REDIS_URL`` takes it."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break all connections and refuse new ones."""
        self._connected = False
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Accept connections again."""
        self._connected = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                if not self._connected:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._target))
                self._open |= {client, server}
                for source, target, send in (
                    (client, server, self._send_request),
                    (server, client, self._send_reply),
                ):
                    threading.Thread(target=self._forward, args=(source, target, send), daemon=True).start()

    def _forward(
        self, source: socket.socket, target: socket.socket, send: Callable[[socket.socket, bytes], None]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                send(target, data)
        for end in (source, target):
            self._open.discard(end)
            end.close()

    def _send_request(self, server: socket.socket, data: bytes) -> None:
        for part in self._drip(data, self.request_bytes_per_second):
            server.sendall(part)

    def _send_reply(self, client: socket.socket, data: bytes) -> None:
        self.replies += 1
        self._never.wait(self.delay)
        for part in self._drip(data, self.reply_bytes_per_second):
            self.reply_bytes += len(part)  # first: once the client has a reply, all of it is counted
            client.sendall(part)

    def _drip(self, data: bytes, bytes_per_second: float) -> Iterator[bytes]:
        """Yield the data in parts, with pauses between them if the bytes per second are limited."""
        size = len(data) if bytes_per_second == math.inf else max(1, int(bytes_per_second * DRIP_SECONDS))
        for start in range(0, len(data), size):
            yield data[start : start + size]
            self._never.wait(size / bytes_per_second)
