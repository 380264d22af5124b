"""The event stream's process, and a client that reads from it."""

import contextlib
import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.polling import wait_until
from tests.servers.child_process import ChildProcess, ServerError
from tests.servers.web import HOST, START_TIMEOUT_SECONDS, free_port, procfile

PATH = "/api/v1/events/stream/"
READ_TIMEOUT_SECONDS = 60


class StreamServer:
    """The stream process of the Procfile, on a free port."""

    def __init__(self, log: Path, env: Mapping[str, str], port: int = 0, module: str = "") -> None:
        """Start the process and wait until it responds.

        Args:
            log: file for its output.
            env: environment variables that differ from this process's.
            port: its port; by default a free one.
            module: the module to run; "" for the Procfile's command.
        """
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        variables = {
            "HOST": HOST,
            "STREAM_PORT": str(self.port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        command = f"exec python -m {module}" if module else procfile("stream")
        self._arguments = (["/bin/sh", "-c", command], log, {**os.environ, **variables, **env})
        self.start()

    def start(self) -> None:
        """Start the process, the first time or again."""
        command, log, env = self._arguments
        self.process = ChildProcess(command, log, env=env)
        wait_until(self._is_ready, START_TIMEOUT_SECONDS, what=f"a response from {self.url}")

    def _is_ready(self) -> bool:
        if not self.process.running:
            raise ServerError(self.process.with_log("The stream's process did not start"))
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):  # noqa: S310 - our own http URL
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def close(self) -> None:
        """End the process."""
        self.process.close()


class StreamClient:
    """Reads a stream in a thread.

    Args:
        url: the URL, with its query.
        headers: the request's headers.
        reading: whether it reads; if not, it only sends the request.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, reading: bool = True) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=READ_TIMEOUT_SECONDS)
        if not reading:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        #: The lines after the head, in order.
        self.lines: list[str] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        #: Whether the server has ended the stream.
        self.ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        if reading:
            self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self.socket.makefile("rb") as file:
            self._read_head(file)
            chunked = self.headers.get("transfer-encoding") == "chunked"
            rest = b""
            while size := int(file.readline(), 16) if chunked else int(self.headers.get("content-length", 0)):
                *lines, rest = (rest + file.read(size)).split(b"\n")
                self.lines += [line.decode() for line in lines]
                if not chunked:
                    self.lines.append(rest.decode())
                    break
                file.readline()
        self.ended = True

    def _read_head(self, file: Any) -> None:
        status = int(file.readline().split()[1])
        while line := file.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.status = status

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events so far."""
        return [json.loads(line.removeprefix("data: ")) for line in self.lines if line.startswith("data: ")]

    @property
    def ids(self) -> list[str]:
        """The ids of the events so far."""
        return [event["id"] for event in self.events]

    @property
    def last_event_id(self) -> str:
        """The last ``id:`` of an event that has arrived completely."""
        ids = [line.removeprefix("id: ") for line in self.lines if line.startswith("id: ")]
        return ids[len(self.events) - 1]

    def until(self, condition: Callable[["StreamClient"], Any], what: str = "an event") -> "StreamClient":
        """Wait until a condition is true."""
        wait_until(lambda: condition(self), 30, what=what)
        return self

    def started(self) -> "StreamClient":
        """Wait until the first line has come: later events are sent."""
        return self.until(lambda client: client.lines, "the first line of the stream")

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
