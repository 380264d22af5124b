"""The servers of one run: each process gets a data folder, a database and its own cache server."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

from tests.engines import POSTGRES
from tests.servers.child_process import EphemeralFolder
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer

SECRET_KEY = "a key for tests that is as long as a key has to be"

#: A folder in memory, on Linux.
MEMORY = Path("/dev/shm")  # noqa: S108 - the names of files created there are random
#: Bytes that must be free there and on the machine: six times what a run uses (650 MB, measured).
MIN_FREE_BYTES = 4 * 1024**3


def write_to_memory() -> None:
    """Put temporary files into memory if there is enough of it, so that no commit waits for a disk.

    A TMPDIR that is set wins.
    """
    if os.environ.get("TMPDIR") or not os.access(MEMORY, os.W_OK):
        return
    if min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) >= MIN_FREE_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


class RunServers:
    """The servers of one run. Their URLs are known before they start, because settings are read first."""

    def __init__(self) -> None:
        """Create the run's folder."""
        # Not pytest's folder: socket paths must be short, and PostgreSQL's user must be able to enter it.
        self.folder = Path(tempfile.mkdtemp(prefix="kyros-tests-"))
        self.folder.chmod(0o711)
        self._folder_guard = EphemeralFolder(self.folder)
        self.postgres = PostgresServer(self.folder / "postgres")
        self._caches: dict[str, ValkeyServer] = {}

    def environment(self, engine: str, process: str) -> dict[str, str]:
        """Return the environment variables of one process of the run.

        Args:
            engine: the engine of its database.
            process: a short name, unique in the run.
        """
        data = self.folder / process
        data.mkdir()
        self._caches[process] = ValkeyServer(data / "cache")
        return {
            "DATABASE_URL": self.postgres.url("kyros")
            if engine == POSTGRES
            else f"sqlite:///{data}/kyros.sqlite3",
            # Long timeouts: a busy machine must not look like a frozen server.
            "REDIS_URL": f"{self._caches[process].url}&socket_timeout=1&socket_connect_timeout=1",
            "KYROS_DATA_DIR": str(data),
            "SECRET_KEY": SECRET_KEY,
        }

    def start(self, *, postgres: bool) -> None:
        """Start the cache servers, and PostgreSQL if `postgres`; raise `ServerError` on failure."""
        if postgres:
            self.postgres.start()
        for cache in self._caches.values():
            cache.start()

    def close(self) -> None:
        """End all servers and remove the run's folder."""
        for cache in self._caches.values():
            cache.close()
        self.postgres.close()
        self._folder_guard.close()
