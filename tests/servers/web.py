"""The project's web server as a real process."""

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.servers.leashed import Leashed, ServerError
from tests.waiting import wait_until

HOST = "127.0.0.1"
START_SECONDS = 60


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class WebServer:
    """granian with the project, on a free port."""

    def __init__(self, log: Path, env: Mapping[str, str], workers: int) -> None:
        """Start the server and wait until it answers.

        Args:
            log: file for all it writes.
            env: variables that differ from this process's.
            workers: how many processes serve.

        Raises:
            ServerError: it ended before it answered; the text holds its log.
        """
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        address = ["--host", HOST, "--port", str(self.port), "--workers", str(workers)]
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", *address, "kyros.wsgi:application"]
        self.process = Leashed(command, log, env={**os.environ, **env})
        try:
            wait_until(self._answers, START_SECONDS, what=f"the answer of {self.url}")
        except BaseException:
            self.close()
            raise

    def _answers(self) -> bool:
        if not self.process.running:
            raise ServerError(self.process.explain("The web server did not start"))
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):  # noqa: S310 - our own http address
                return True
        except urllib.error.HTTPError as error:
            raise ServerError(
                self.process.explain(f"The web server answers {error.code} on /healthz")
            ) from error
        except (urllib.error.URLError, ConnectionError):
            return False

    def close(self) -> None:
        """End the server and all its workers."""
        self.process.close()
