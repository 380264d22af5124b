"""The project's web server as a separate process."""

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.polling import wait_until
from tests.servers.child_process import ChildProcess, ServerError

PROCFILE = Path(__file__).resolve().parents[2] / "Procfile"
HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 60


def free_port() -> int:
    """Return a TCP port of this machine that no process listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def procfile(name: str) -> str:
    """Return the command of process `name` in the Procfile, so that tests start what `make run` starts."""
    for line in PROCFILE.read_text(encoding="utf-8").splitlines():
        kind, _, command = line.partition(":")
        if kind == name:
            return command.strip()
    raise KeyError(name)


class WebServer:
    """The web server of the Procfile."""

    def __init__(
        self, log: Path, env: Mapping[str, str], workers: int, application: str = "", port: int = 0
    ) -> None:
        """Start the server and wait until it responds.

        Args:
            log: file for its output.
            env: environment variables that differ from this process's.
            workers: number of worker processes.
            application: a WSGI application factory, `module:function`; "" for the Procfile's application.
            port: its port; by default a free one.

        Raises:
            ServerError: it ended before it responded; the message holds its log.
        """
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        variables = {
            "HOST": HOST,
            "PORT": str(self.port),
            "WEB_WORKERS": str(workers),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        command = procfile("web")
        if application:
            command = f"{command} --factory '{application}'"
        self.process = ChildProcess(["/bin/sh", "-c", command], log, env={**os.environ, **variables, **env})
        try:
            wait_until(self._is_ready, START_TIMEOUT_SECONDS, what=f"a response from {self.url}")
        except BaseException:
            self.close()
            raise

    def _is_ready(self) -> bool:
        if not self.process.running:
            raise ServerError(self.process.with_log("The web server did not start"))
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):  # noqa: S310 - our own http URL
                return True
        except urllib.error.HTTPError as error:
            raise ServerError(
                self.process.with_log(f"The web server returns {error.code} for /healthz")
            ) from error
        except (urllib.error.URLError, ConnectionError):
            return False

    def close(self) -> None:
        """End the server and all its workers."""
        self.process.close()
