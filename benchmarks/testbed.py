"""The servers and databases of a run, in one temporary folder that is deleted at its end."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import jwt

from tests.servers.child_process import ChildProcess, EphemeralFolder
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("sqlite", "postgres")
SECRET_KEY = "a key for benchmarks that is as long as a key has to be"  # noqa: S105 - of temporary servers

#: `seed_demo` creates at most so many jobs; larger tables are scaled up from them in SQL.
MAX_SEEDED_JOBS = 100_000

# Durable, as in production: every commit waits for the disk.
POSTGRES_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
}
# As `make run` starts it.
CACHE_SETTINGS = {"maxmemory": "256mb", "maxmemory-policy": "allkeys-lru"}


@dataclass(frozen=True)
class Deployment:
    """A filled database with its cache server, and the environment of the processes that use them.

    Args:
        name: unique in the testbed.
        engine: one of ``ENGINES``.
        environment: variables that ``kyros.settings`` reads.
        token: an admin's access token.
        user_id: the admin's id, in hexadecimal.
    """

    name: str
    engine: str
    environment: Mapping[str, str]
    token: str = ""
    user_id: str = ""

    def manage(self, *arguments: str, settings: str = "kyros.settings") -> str:
        """Run a ``manage.py`` command and return its output."""
        return self._python("manage.py", *arguments, settings=settings)

    @property
    def simplejwt_token(self) -> str:
        """An access token of the admin as djangorestframework-simplejwt issues it."""
        expires = int(time.time()) + 86_400
        claims = {"token_type": "access", "exp": expires, "jti": "1", "user_id": str(UUID(self.user_id))}
        return jwt.encode(claims, SECRET_KEY, algorithm="HS256")

    def run_step(self, step: str, *arguments: str) -> Any:
        """Run a step of ``benchmarks.django_steps`` on this deployment and return its result."""
        return json.loads(self._python("-m", "benchmarks.django_steps", step, *arguments) or "null")

    def create_report_table(self) -> None:
        """Create the table of the alternative for writes and copy all jobs into it."""
        self._python("-m", "benchmarks.rivals.report_table", settings="benchmarks.rivals.settings")

    def _python(self, *arguments: str, settings: str = "kyros.settings") -> str:
        environment = {**os.environ, **self.environment, "DJANGO_SETTINGS_MODULE": settings}
        command = [sys.executable, *arguments]
        return subprocess.run(  # noqa: S603 - our own programs
            command, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE
        ).stdout


class Testbed:
    """Creates deployments and stops all their servers at the end."""

    def __init__(self) -> None:
        """Create the folder; servers start when they are needed."""
        # A short path, because a socket's is limited; readable by the user that PostgreSQL runs as.
        self.folder = Path(tempfile.mkdtemp(prefix="kyros-bench-"))
        self.folder.chmod(0o711)
        self._doomed = EphemeralFolder(self.folder)
        self._exit_stack = ExitStack()
        self._postgres: PostgresServer | None = None
        self._seeded: dict[str, Deployment] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit_stack.close()
        self._doomed.close()

    @property
    def postgres(self) -> PostgresServer:
        """Return the PostgreSQL server; the first access starts it."""
        if self._postgres is None:
            self._postgres = PostgresServer(self.folder / "pg", POSTGRES_SETTINGS).start()
            self._exit_stack.callback(self._postgres.close)
        return self._postgres

    def seeded(self, engine: str, jobs: int) -> Deployment:
        """Return the deployment with so many jobs, three events per job, and a tenth as many tasks.

        More than ``MAX_SEEDED_JOBS`` jobs are copies (``benchmarks.scaling``), with one event per job.
        """
        name = f"{engine}_{jobs}_jobs"
        if name not in self._seeded and jobs > MAX_SEEDED_JOBS:
            self._seeded[name] = self.copy(self.seeded(engine, MAX_SEEDED_JOBS), name)
            self._seeded[name].run_step("scale", str(jobs // MAX_SEEDED_JOBS))
        if name not in self._seeded:
            deployment = self._deployment(name, engine, self.new_database(name, engine))
            deployment.manage("migrate", "--verbosity", "0")
            deployment.manage("seed_demo", "--jobs", str(jobs), "--tasks", str(jobs // 10), "--seed", "1")
            self._seeded[name] = self._with_admin(deployment)
        return self._seeded[name]

    def copy(self, original: Deployment, name: str) -> Deployment:
        """Return a new deployment with the same rows; no process may use the original meanwhile."""
        if original.engine == "sqlite":
            source, target = (self.folder / folder / "db.sqlite3" for folder in (original.name, name))
            target.parent.mkdir()
            original.run_step("checkpoint")
            shutil.copy(source, target)
            url = f"sqlite:///{target}"
        else:
            self._execute(f"CREATE DATABASE {name} TEMPLATE {original.name}")
            url = self.postgres.url(name)
        deployment = self._deployment(name, original.engine, url)
        return replace(deployment, token=original.token, user_id=original.user_id)

    def start_cache_relay(self, deployment: Deployment) -> None:
        """Start the process that drains the cache's outbox, as in production."""
        environment = {**os.environ, **deployment.environment}
        log = self.folder / deployment.name / "relay.log"
        relay = ChildProcess([sys.executable, ROOT / "manage.py", "cache_relay"], log, env=environment)
        self._exit_stack.callback(relay.close)

    def _with_admin(self, deployment: Deployment) -> Deployment:
        admin = deployment.run_step("create_admin")
        return replace(deployment, token=admin["token"], user_id=admin["id"])

    def _deployment(self, name: str, engine: str, url: str) -> Deployment:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        cache = ValkeyServer(folder / "cache", CACHE_SETTINGS).start()
        self._exit_stack.callback(cache.close)
        environment = {
            "DATABASE_URL": url,
            "REDIS_URL": cache.url,
            "KYROS_DATA_DIR": str(folder),
            "SECRET_KEY": SECRET_KEY,
            "LOG_LEVEL": "ERROR",
        }
        return Deployment(name, engine, environment)

    def new_database(self, name: str, engine: str) -> str:
        """Create an empty database; return its ``DATABASE_URL``."""
        if engine == "sqlite":
            (self.folder / name).mkdir()
            return f"sqlite:///{self.folder / name / 'db.sqlite3'}"
        self._execute(f"CREATE DATABASE {name}")
        return self.postgres.url(name)

    def _execute(self, statement: str) -> None:
        with self.postgres.connect() as connection:
            connection.execute(statement.encode())
