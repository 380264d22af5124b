"""The service that a soak of leases runs on: database, cache, web server, relay and two that end leases."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import psycopg
from django.conf import settings

from tests.leases.soak_history import FinalJob, HistoryEntry
from tests.servers.child_process import ChildProcess
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer
from tests.servers.web import WebServer

WEB_WORKERS = 2
PREPARE = """
from django.core.management import call_command
from orchestrator.auth.tokens import issue_tokens
from tests.users import make_user

call_command("migrate", verbosity=0)
print(issue_tokens(make_user("user"))["access_token"])
"""
#: UUIDs as SQLite stores them, so that one query serves both engines.
JOBS = """
    SELECT replace({id}, '-', ''), status, attempts, max_attempts, replace({token}, '-', ''), {result}
    FROM jobs
"""
EVENTS = """
    SELECT replace({job}, '-', ''), type, {payload} FROM events
    WHERE job_id IS NOT NULL ORDER BY created_at, id
"""


class SoakService:
    """The processes of the service on a database of its own.

    Args:
        folder: holds their files and logs.
        postgres: the database server; None for SQLite.
        cache: the cache server.
        ends: closes everything.
    """

    def __init__(
        self, folder: Path, postgres: PostgresServer | None, cache: ValkeyServer, ends: ExitStack
    ) -> None:
        self.postgres, self.cache, self._folder, self._ends = postgres, cache, folder, ends
        self._file = folder / "soak.sqlite3"
        self.env = {
            "DATABASE_URL": postgres.url() if postgres else f"sqlite:///{self._file}",
            "REDIS_URL": cache.url,
            "KYROS_DATA_DIR": str(folder),
        }
        self.token = self._manage("shell", "--no-imports", "-c", PREPARE).stdout.strip()
        self._web = WebServer(folder / "web.log", self.env, WEB_WORKERS)
        ends.callback(self._web.close)
        self.url = self._web.url
        self.start("relay.log", settings.BASE_DIR / "manage.py", "cache_relay")
        for number in (1, 2):
            self.start(f"expiry{number}.log", "-m", "tests.leases.soak_expiry")

    def start(self, log: str, *arguments: str | Path) -> ChildProcess:
        """Start a Python process on this database; it ends with the soak."""
        env = {**os.environ, **self.env}
        process = ChildProcess([sys.executable, *arguments], self._folder / log, env=env)
        self._ends.callback(process.close)
        return process

    def verified_counts(self) -> list[dict[str, Any]]:
        """Return what ``table_stats --verify`` finds."""
        found: list[dict[str, Any]] = json.loads(self._manage("table_stats", "--verify", "--json").stdout)[
            "verified"
        ]
        return found

    def _manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, settings.BASE_DIR / "manage.py", *arguments],
            env={**os.environ, **self.env},
            cwd=settings.BASE_DIR,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        )

    def kill_web_workers(self) -> None:
        """Kill the web server's workers, which it replaces."""
        for process in psutil.Process(self._web.process.pid).children():
            if "resource_tracker" not in " ".join(process.cmdline()):
                process.kill()

    def restart_database(self, *, crash: bool) -> None:
        """Restart PostgreSQL. SQLite runs in the web server's workers: kill them."""
        if self.postgres is None:
            self.kill_web_workers()
            return
        if crash:
            self.postgres.kill()
        self.postgres.restart()

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of a query."""
        connect: Callable[[], Any] = (
            self.postgres.connect if self.postgres else lambda: sqlite3.connect(self._file, timeout=30)
        )
        with closing(connect()) as connection:
            rows: Sequence[Sequence[Any]] = connection.execute(sql).fetchall()
            return rows

    def open_jobs(self) -> int | None:
        """Return the number of jobs that are pending or running; None while the database is away."""
        try:
            ((number,),) = self.query("SELECT count(*) FROM jobs WHERE status IN ('pending', 'running')")
        except psycopg.OperationalError:
            return None
        return int(number)

    def is_leased(self, tokens: Iterable[str]) -> bool:
        """Return whether a running job has one of these tokens."""
        names = ", ".join(f"'{token if self.postgres else token.replace('-', '')}'" for token in tokens)
        sql = f"SELECT count(*) FROM jobs WHERE status = 'running' AND lease_token IN ({names})"  # noqa: S608
        return bool(self.query(sql)[0][0])

    def jobs(self) -> list[FinalJob]:
        """Return every job."""
        rows = self.query(JOBS.format(**self._texts(id="id", token="lease_token", result="result")))
        return [
            FinalJob(_dashed(row[0]), *row[1:4], _dashed(row[4]), json.loads(row[5] or "null"))
            for row in rows
        ]

    def histories(self) -> dict[str, list[HistoryEntry]]:
        """Return the events of every job, in their order."""
        histories: dict[str, list[HistoryEntry]] = {}
        for job, kind, payload in self.query(EVENTS.format(**self._texts(job="job_id", payload="payload"))):
            histories.setdefault(_dashed(job), []).append(HistoryEntry(kind, json.loads(payload)))
        return histories

    def _texts(self, **columns: str) -> dict[str, str]:
        return {name: f"{column}::text" if self.postgres else column for name, column in columns.items()}


def _dashed(uuid: str | None) -> Any:
    """Return a UUID as JSON has it."""
    return uuid and "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
