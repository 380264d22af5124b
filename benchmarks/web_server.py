"""The web server that every variant runs under: as in the Procfile, by default with one worker."""

import http.client
import os
import re
import sys
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

from benchmarks.load import LoadResult, RequestSpec, run_load
from benchmarks.testbed import ROOT, Deployment
from tests.servers.child_process import ChildProcess
from tests.servers.web import HOST, free_port

SERVICE = "kyros.wsgi:application"
ALTERNATIVES = "benchmarks.rivals.wsgi:application"
START_SECONDS = 60
# One mapping in smaps: the mapped file, if any, and its kilobytes in memory.
_MAPPING = re.compile(
    r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)\n(?:\w+:.*\n)*?Rss: +(\d+) kB", re.MULTILINE
)


class MeasuredServer:
    """A web server whose processor time and memory are measured; a context manager that stops it."""

    def __init__(
        self,
        deployment: Deployment,
        folder: Path,
        *,
        settings: str = "kyros.settings",
        application: str = SERVICE,
        workers: int = 1,
    ) -> None:
        """Start the server and wait until it responds.

        Args:
            deployment: the database and cache that it uses.
            folder: where its log is written.
            settings: Django's settings module.
            application: the WSGI application, as "module:name".
            workers: its worker processes.
        """
        self.port = free_port()
        environment = {**os.environ, **deployment.environment, "DJANGO_SETTINGS_MODULE": settings}
        own = {"HOST": HOST, "PORT": str(self.port), "WEB_WORKERS": str(workers), "ALLOWED_HOSTS": HOST}
        self.process = ChildProcess(
            [sys.executable, "-m", "kyros.web_server", application],
            folder / f"web-{self.port}.log",
            env={**environment, **own, "PYTHONPATH": str(ROOT)},
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
        raise RuntimeError(self.process.with_log("The web server did not start"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.close()

    def run_load(
        self, request: RequestSpec, *, seconds: float, connections: int, first: int = 0
    ) -> LoadResult:
        """Do as ``benchmarks.load.run_load`` does; add the workers' processor time per request."""
        before = self._cpu_seconds()
        result = run_load(self.port, request, seconds=seconds, connections=connections, first=first)
        after = self._cpu_seconds()
        if before is None or after is None:
            return result
        return replace(result, cpu_ms=(after - before) * 1000 / result.requests)

    def memory_bytes(self) -> int | None:
        """Return the workers' resident memory in bytes; None where the system does not report it.

        Pages of a mapped SQLite file do not count, because they belong to the system's page cache.
        """
        if self._workers is None:
            return None
        return sum(_memory_bytes(pid) for pid in self._workers)

    @cached_property
    def _workers(self) -> list[int] | None:
        """The workers' process ids; None on systems without /proc."""
        if not Path("/proc/self/smaps").exists():
            return None
        processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return [pid for pid in processes if _parent(pid) == self.process.pid and _is_worker(pid)]

    def _cpu_seconds(self) -> float | None:
        """Return the processor time that the workers have used so far, in seconds."""
        if self._workers is None:
            return None
        ticks = sum(int(value) for pid in self._workers for value in _stat(pid)[11:13])  # user and system
        return ticks / os.sysconf("SC_CLK_TCK")


def _memory_bytes(pid: int) -> int:
    mappings = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8")
    return sum(
        int(kilobytes) * 1024
        for path, kilobytes in _MAPPING.findall(mappings)
        if not path.endswith((".sqlite3", ".sqlite3-shm"))
    )


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def _parent(pid: int) -> int | None:
    stat = _stat(pid)
    return int(stat[1]) if stat else None


def _is_worker(pid: int) -> bool:
    """Return whether a child of the server is a worker, not a helper process of multiprocessing."""
    return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
