"""Starts the service as `make run` does, and finds its processes."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings

from tests.polling import wait_until
from tests.servers.web import free_port

START_TIMEOUT_SECONDS = 90
END_TIMEOUT_SECONDS = 30
#: The last line of the banner.
LAST_BANNER_LINE = "  stop      Ctrl-C"


def clean_environment(variables: Mapping[str, object]) -> dict[str, str]:
    """Return an environment in which `variables` are the only settings."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **dict.fromkeys(settings.ENVIRONMENT_VARIABLES, ""),
        **{name: str(value) for name, value in variables.items()},
    }


def rows(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a service's SQLite file."""
    with closing(sqlite3.connect(data_dir / "kyros.sqlite3")) as database:
        return database.execute(sql).fetchall()


class Service:
    """A launcher with all processes it starts."""

    def __init__(self, log: Path, variables: Mapping[str, object], command: tuple[str, ...] = ()) -> None:
        """Start the launcher.

        Args:
            log: file for its output.
            variables: its settings; `PORT` and `STREAM_PORT` are free ports by default.
            command: the command to run instead of the launcher.
        """
        variables = {"PORT": free_port(), "STREAM_PORT": free_port(), **variables}
        self.log = log
        self._seen: set[psutil.Process] = set()
        self.url = f"http://127.0.0.1:{variables['PORT']}"
        self.stream_port = int(str(variables["STREAM_PORT"]))
        self.data_dir = Path(str(variables["KYROS_DATA_DIR"]))
        with log.open("wb") as output:
            self.launcher = psutil.Popen(
                command or (sys.executable, "-m", "kyros.run"),
                cwd=settings.BASE_DIR,
                env=clean_environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Return its output so far."""
        return self.log.read_text(encoding="utf-8")

    def until(self, text: str) -> "Service":
        """Wait until its output contains `text`."""
        wait_until(
            lambda: text in self.output or not self.launcher.is_running() or self.launcher.poll() is not None,
            START_TIMEOUT_SECONDS,
            what=f"the line {text!r}",
        )
        assert text in self.output, self.output
        return self

    def until_ready(self) -> "Service":
        """Wait until it has said where it is."""
        return self.until(LAST_BANNER_LINE)

    def get(self, path: str) -> dict[str, object]:
        """Return the JSON document at `path` of the web server."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as response:  # noqa: S310 - http
            return json.load(response)

    @property
    def password(self) -> str:
        """Return what the announcement says of the password."""
        found = re.search(r"^  password +(.*)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1].partition("   ")[0]

    @property
    def processes(self) -> list[psutil.Process]:
        """Return the launcher and every descendant that still exists."""
        found = [self.launcher, *self.launcher.children(recursive=True)]
        self._seen.update(found)
        return found

    @property
    def running(self) -> list[psutil.Process]:
        """Return its processes that are running; zombies are not."""
        ended = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return [each for each in self.processes if each.is_running() and each.status() not in ended]

    def process(self, program: str) -> psutil.Process:
        """Return the first process of the service that runs `program`."""
        return next(each for each in self.processes if program in " ".join(each.cmdline()))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the launcher a signal and return its exit status; fail if it leaves a process."""
        processes = self.processes
        self.launcher.send_signal(number)
        return self.ended(processes)

    def ended(self, processes: list[psutil.Process] | None = None) -> int:
        """Wait for the launcher to end and return its exit status; fail if one of `processes` is left."""
        status = self.launcher.wait(END_TIMEOUT_SECONDS)
        _, left = psutil.wait_procs(processes or [], END_TIMEOUT_SECONDS)
        assert not left, f"{left}\n{self.output}"
        return status

    def refused(self) -> str:
        """Return the one line with which it refuses to start; fail if it prints more or starts."""
        assert self.ended() == 1
        (line,) = self.output.splitlines()
        return line

    def close(self) -> None:
        """End all its processes, with SIGKILL if necessary."""
        if self.launcher.poll() is None:
            self._seen.update(self.processes)
            self.launcher.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs([self.launcher, *self._seen], END_TIMEOUT_SECONDS)
        for each in left:
            each.kill()
        psutil.wait_procs(left, END_TIMEOUT_SECONDS)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Return all processes of this machine that use the data folder."""

    def uses_folder(process: psutil.Process) -> bool:
        try:
            return process.environ().get("KYROS_DATA_DIR") == str(data_dir)
        except psutil.Error:  # it has ended, or belongs to another user
            return False

    return [process for process in psutil.process_iter() if uses_folder(process)]
