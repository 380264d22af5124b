"""What every process of a run gets: a data folder, a database of its engine and a cache of its own."""

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

#: Where files are in memory, on Linux.
MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has names nobody knows before
#: Bytes that have to be free there and in the whole machine, six times what a run uses (650 MB, measured).
ROOM = 4 * 1024**3


def write_to_memory() -> None:
    """Have all temporary files in memory where there is room: no commit of a server waits for a disk.

    Whoever has set TMPDIR has chosen.
    """
    if os.environ.get("TMPDIR") or not os.access(MEMORY, os.W_OK):
        return
    if min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) >= ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


class RunServers:
    """The servers of one run. Their addresses are known before they start: settings are read first."""

    def __init__(self) -> None:
        """Make the folder that everything of the run lives in."""
        # Not pytest's: the path of a socket has to be short, and PostgreSQL's user has to get through.
        self.folder = Path(tempfile.mkdtemp(prefix="kyros-tests-"))
        self.folder.chmod(0o711)
        self._doomed = EphemeralFolder(self.folder)
        self.postgres = PostgresServer(self.folder / "postgres")
        self._caches: dict[str, ValkeyServer] = {}

    def environment(self, engine: str, process: str) -> dict[str, str]:
        """Return the environment variables that give a process its own part of the run.

        Args:
            engine: of its database.
            process: a short name of its own.
        """
        data = self.folder / process
        data.mkdir()
        self._caches[process] = ValkeyServer(data / "cache")
        return {
            "DATABASE_URL": self.postgres.url("kyros")
            if engine == POSTGRES
            else f"sqlite:///{data}/kyros.sqlite3",
            # Patient: a machine that is busy with other tests must not look like a server that is frozen.
            "REDIS_URL": f"{self._caches[process].url}&socket_timeout=1&socket_connect_timeout=1",
            "KYROS_DATA_DIR": str(data),
            "SECRET_KEY": SECRET_KEY,
        }

    def start(self, *, postgres: bool) -> None:
        """Start the caches of all processes, and PostgreSQL if asked; raise `ServerError` if one fails."""
        if postgres:
            self.postgres.start()
        for cache in self._caches.values():
            cache.start()

    def close(self) -> None:
        """End all servers and remove the folder."""
        for cache in self._caches.values():
            cache.close()
        self.postgres.close()
        self._doomed.close()
