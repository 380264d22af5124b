"""pgbouncer in front of a PostgreSQL server, on a Unix socket."""

import os
import shutil
from pathlib import Path

import psycopg
import pytest

from tests.polling import wait_until
from tests.servers.child_process import ChildProcess, ServerError
from tests.servers.postgres import SUPERUSER, PostgresServer

MISSING = "pgbouncer is not installed (Debian: apt-get install pgbouncer)"
PORT = 6432
START_TIMEOUT_SECONDS = 60

#: What docs/operations.md says, and a pool that is smaller than the service's pools.
CONFIG = """
[databases]
* = host={server}
[pgbouncer]
pool_mode = transaction
ignore_startup_parameters = options
default_pool_size = 3
max_client_conn = 200
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
admin_users = {user}
"""


def executable() -> str:
    """Return pgbouncer's path; skip the test without it."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        pytest.skip(MISSING)
    return found


class PgBouncer:
    """pgbouncer in transaction mode. Like PostgreSQL it refuses to run as root."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        """Set it up in a folder, which must not exist and whose path must be short.

        Raises:
            Skipped: if pgbouncer is not installed.
        """
        self._program = executable()
        self.server = server
        self.folder = folder
        self._process: ChildProcess | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the ``DATABASE_URL`` of a database behind pgbouncer."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}&port={PORT}"

    def start(self) -> "PgBouncer":
        """Start it and wait until a query gets through."""
        user = self.server.user
        self.folder.mkdir(mode=0o700)
        settings = CONFIG.format(server=self.server.folder, folder=self.folder, port=PORT, user=SUPERUSER)
        (self.folder / "pgbouncer.ini").write_text(settings)
        (self.folder / "users").write_text(f'"{SUPERUSER}" ""\n')
        if user:
            os.chown(self.folder, *user)
        command = [self._program, self.folder / "pgbouncer.ini"]
        self._process = ChildProcess(command, self.folder / "log", user=user)
        wait_until(self._is_ready, START_TIMEOUT_SECONDS, what="a response through pgbouncer")
        return self

    def _is_ready(self) -> bool:
        assert self._process is not None
        if not self._process.running:
            raise ServerError(self._process.with_log("pgbouncer did not start"))
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.close()
