"""A primary, its replica, and web servers that read from both."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from tests.http_client import HttpClient
from tests.monitoring.test_hanging import PREPARE
from tests.polling import wait_until
from tests.servers.postgres import PostgresReplica, PostgresServer
from tests.servers.web import WebServer

TOKEN = "a metrics token of the tests"
LIST = "/api/v1/jobs/"


class ReplicatedService:
    """A service with one replica.

    Args:
        folder: for the servers' files; its path must be short.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.primary = PostgresServer(folder / "primary")
        self.replica = PostgresReplica(self.primary, folder / "replica")
        self.session = ""  # the key of the moderator's session in a browser
        self._ends = ExitStack()
        self._ends.callback(self.primary.close)
        self._ends.callback(self.replica.close)

    def start(self) -> "ReplicatedService":
        """Start both servers, with tables and two users."""
        self.folder.mkdir(mode=0o711)
        self.primary.start()
        self.session = self.run_in_shell(PREPARE).strip()
        self.replica.start()
        return self

    def close(self) -> None:
        """End everything that was started."""
        self._ends.close()

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of the service's processes."""
        return {
            "DATABASE_URL": self.primary.url(),
            "DATABASE_REPLICA_URLS": self.replica.url(),
            "REDIS_URL": "none",
            "METRICS_TOKEN": TOKEN,
            "KYROS_DATA_DIR": str(self.folder / "data"),
            "DB_POOL_TIMEOUT": "2",
        }

    def web(self, workers: int = 1, application: str = "", **env: str) -> str:
        """Start a web server and return its URL."""
        server = WebServer(self.folder / "web.log", {**self.env, **env}, workers, application)
        self._ends.callback(server.close)
        return server.url

    def run_in_shell(self, code: str) -> str:
        """Run code in the project, on the primary; return its output."""
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "shell", "--no-imports", "-c", code]
        env = {**os.environ, **self.env, "DATABASE_REPLICA_URLS": ""}
        return subprocess.run(
            command, env=env, cwd=settings.BASE_DIR, check=True, text=True, stdout=subprocess.PIPE
        ).stdout

    def on_primary(self, sql: str) -> Any:
        """Execute a statement on the primary; return its first row, if it has rows."""
        return _execute(self.primary, sql)

    def on_replica(self, sql: str) -> Any:
        """Execute a statement on the replica; return its first row, if it has rows."""
        return _execute(self.replica, sql)

    @contextmanager
    def paused_replay(self) -> Iterator[None]:
        """Let the replica receive changes without showing them."""
        self.on_replica("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.on_replica("SELECT pg_get_wal_replay_pause_state()") == ("paused",))
        try:
            yield
        finally:
            self.on_replica("SELECT pg_wal_replay_resume()")

    @contextmanager
    def frozen(self, server: PostgresServer) -> Iterator[None]:
        """Freeze one of the two servers."""
        server.freeze()
        try:
            yield
        finally:
            server.thaw()


def _execute(server: PostgresServer, sql: str) -> Any:
    with server.connect() as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


def reads(url: str) -> dict[str, int]:
    """Return how many attempts to read from the replica ended in which way."""
    text = HttpClient(url, {"Authorization": f"Bearer {TOKEN}"}).get("/metrics").text
    return {
        sample.labels["outcome"]: int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "kyros_replica_reads_total"
    }
