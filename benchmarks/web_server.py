"""The web server that every variant runs under: one worker, as in the Procfile otherwise."""

import http.client
import os
import re
import sys
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

from benchmarks.load import Load, Request, drive
from benchmarks.testbed import ROOT, Site
from tests.servers.leashed import Leashed
from tests.servers.web import HOST, free_port

OURS = "kyros.wsgi:application"
RIVALS = "benchmarks.alternatives.wsgi:application"
START_SECONDS = 60
# Of a mapping in smaps: the file that is mapped, if any, and how much of it is in memory.
_RESIDENT = re.compile(
    r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)\n(?:\w+:.*\n)*?Rss: +(\d+) kB", re.MULTILINE
)


class Web:
    """A web server with one worker; a context manager that ends it."""

    def __init__(
        self,
        site: Site,
        folder: Path,
        *,
        settings: str = "kyros.settings",
        application: str = OURS,
        threads: int = 4,
    ) -> None:
        """Start the server and wait until it answers.

        Args:
            site: whose database and cache it uses.
            folder: for its log.
            settings: module of Django's settings.
            application: where the WSGI application is.
            threads: requests that it works on at once.
        """
        self.port = free_port()
        arguments = (
            f"--interface wsgi --host {HOST} --port {self.port} --workers 1 --blocking-threads {threads}"
        )
        options = "--backpressure 512 --no-ws --log-level warning"
        environment = {**os.environ, **site.environment, "DJANGO_SETTINGS_MODULE": settings}
        self.process = Leashed(
            [Path(sys.executable).parent / "granian", *arguments.split(), *options.split(), application],
            folder / f"web-{self.port}.log",
            env={**environment, "PYTHONPATH": str(ROOT), "ALLOWED_HOSTS": HOST},
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.running:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except OSError:
                time.sleep(0.05)
            else:
                return
            finally:
                connection.close()
        raise RuntimeError(self.process.explain("The web server did not start"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.close()

    def drive(self, request: Request, *, seconds: float, connections: int, first: int = 0) -> Load:
        """Ask for some seconds, as ``benchmarks.load.drive`` does; add the worker's processor time."""
        before = self._worker_seconds()
        load = drive(self.port, request, seconds=seconds, connections=connections, first=first)
        after = self._worker_seconds()
        if before is None or after is None:
            return load
        return replace(load, processor=(after - before) * 1000 / (load.per_second * seconds))

    def worker_bytes(self) -> int | None:
        """Return the memory of the worker, in bytes; None where the system does not tell.

        Pages of a mapped SQLite file are left out: they are the system's, which has them anyway.
        """
        if self._worker is None:
            return None
        mappings = Path(f"/proc/{self._worker}/smaps").read_text(encoding="utf-8")
        return sum(
            int(kibibytes) * 1024
            for path, kibibytes in _RESIDENT.findall(mappings)
            if not path.endswith((".sqlite3", ".sqlite3-shm"))
        )

    @cached_property
    def _worker(self) -> int | None:
        """The process id of the worker; None where the system does not tell."""
        if not Path("/proc/self/smaps").exists():
            return None
        processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return next(pid for pid in processes if _parent(pid) == self.process.pid and _is_worker(pid))

    def _worker_seconds(self) -> float | None:
        """Return the processor time that the worker has taken, in seconds."""
        if self._worker is None:
            return None
        user, system = _stat(self._worker)[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return what the system tells of a process, from its state on; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def _parent(pid: int) -> int | None:
    stat = _stat(pid)
    return int(stat[1]) if stat else None


def _is_worker(pid: int) -> bool:
    """Tell whether a child of the server is a worker, and not what Python starts beside it."""
    return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
