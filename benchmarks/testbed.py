"""The servers and databases of a run, all in one folder that goes when the run ends."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.leashed import DoomedFolder, Leashed
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("sqlite", "postgres")
SECRET_KEY = "a key for benchmarks that is as long as a key has to be"  # noqa: S105 - of nobody

#: Jobs that `seed_demo` makes; more are made of them by the database.
SEEDED = 100_000

# As a server that keeps what it is told: every commit waits for the disk.
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
class Site:
    """A database with rows, and the environment of every process that uses it.

    Args:
        name: unique in the lab.
        engine: one of ``ENGINES``.
        environment: variables for ``kyros.settings``.
        token: a bearer token of an admin.
        user_id: that admin's id, in hexadecimal.
    """

    name: str
    engine: str
    environment: Mapping[str, str]
    token: str = ""
    user_id: str = ""

    def manage(self, *arguments: str, settings: str = "kyros.settings") -> str:
        """Run a command of ``manage.py`` and return what it printed."""
        return self._python("manage.py", *arguments, settings=settings)

    def prepare(self, step: str, *arguments: str) -> Any:
        """Run a step of ``benchmarks.django_steps`` on this site and return its answer."""
        return json.loads(self._python("-m", "benchmarks.django_steps", step, *arguments) or "null")

    def _python(self, *arguments: str, settings: str = "kyros.settings") -> str:
        environment = {**os.environ, **self.environment, "DJANGO_SETTINGS_MODULE": settings}
        command = [sys.executable, *arguments]
        return subprocess.run(  # noqa: S603 - our own programs
            command, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE
        ).stdout


class Lab:
    """Starts what is asked for, and ends everything."""

    def __init__(self) -> None:
        """Make the folder; servers start when they are needed."""
        # Short, for the paths of sockets, and open to PostgreSQL's user.
        self.folder = Path(tempfile.mkdtemp(prefix="kyros-bench-"))
        self.folder.chmod(0o711)
        self._doomed = DoomedFolder(self.folder)
        self._ends = ExitStack()
        self._postgres: PostgresServer | None = None
        self._rows: dict[str, Site] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()
        self._doomed.close()

    @property
    def postgres(self) -> PostgresServer:
        """Return the PostgreSQL server, started the first time it is asked for."""
        if self._postgres is None:
            self._postgres = PostgresServer(self.folder / "pg", POSTGRES_SETTINGS).start()
            self._ends.callback(self._postgres.close)
        return self._postgres

    def rows(self, engine: str, jobs: int) -> Site:
        """Return the site of so many jobs, about three events a job, and a tenth as many tasks.

        More than ``SEEDED`` jobs are copies of so many (``benchmarks.scaling``), with about one event each.
        """
        name = f"{engine}_{jobs}_jobs"
        if name not in self._rows and jobs > SEEDED:
            self._rows[name] = self.copy(self.rows(engine, SEEDED), name)
            self._rows[name].prepare("multiply", str(jobs // SEEDED))
        if name not in self._rows:
            site = self._site(name, engine, self._new_database(name, engine))
            site.manage("migrate", "--verbosity", "0")
            site.manage("seed_demo", "--jobs", str(jobs), "--tasks", str(jobs // 10), "--seed", "1")
            self._rows[name] = self._signed_in(site)
        return self._rows[name]

    def copy(self, original: Site, name: str) -> Site:
        """Return a new site with the same rows, which nobody may be using meanwhile."""
        if original.engine == "sqlite":
            source, target = (self.folder / site / "db.sqlite3" for site in (original.name, name))
            target.parent.mkdir()
            original.prepare("checkpoint")
            shutil.copy(source, target)
            address = f"sqlite:///{target}"
        else:
            self._maintain(f"CREATE DATABASE {name} TEMPLATE {original.name}")
            address = self.postgres.url(name)
        site = self._site(name, original.engine, address)
        return Site(name, site.engine, site.environment, original.token, original.user_id)

    def keep(self, site: Site) -> None:
        """Run the keeper of a site's cache."""
        environment = {**os.environ, **site.environment}
        log = self.folder / site.name / "keeper.log"
        keeper = Leashed([sys.executable, ROOT / "manage.py", "cache_keeper"], log, env=environment)
        self._ends.callback(keeper.close)

    def _signed_in(self, site: Site) -> Site:
        user = site.prepare("admin")
        return Site(site.name, site.engine, site.environment, user["token"], user["id"])

    def _site(self, name: str, engine: str, address: str) -> Site:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        cache = ValkeyServer(folder / "cache", CACHE_SETTINGS).start()
        self._ends.callback(cache.close)
        environment = {
            "DATABASE_URL": address,
            "REDIS_URL": cache.url,
            "KYROS_DATA_DIR": str(folder),
            "SECRET_KEY": SECRET_KEY,
            "LOG_LEVEL": "ERROR",
        }
        return Site(name, engine, environment)

    def _new_database(self, name: str, engine: str) -> str:
        if engine == "sqlite":
            (self.folder / name).mkdir()
            return f"sqlite:///{self.folder / name / 'db.sqlite3'}"
        self._maintain(f"CREATE DATABASE {name}")
        return self.postgres.url(name)

    def _maintain(self, statement: str) -> None:
        with self.postgres.connect() as connection:
            connection.execute(statement.encode())
