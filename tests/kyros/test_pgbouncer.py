"""The service behind pgbouncer in transaction mode."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.cache.soak import SOAK_JOBS, Soak
from tests.http_client import HttpClient
from tests.monitoring.test_hanging import PREPARE, TOKEN
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import SUPERUSER, PostgresServer
from tests.servers.valkey import ValkeyServer
from tests.servers.web import WebServer

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

JOBS = "/api/v1/jobs/"

#: What start options set on other connections; pgbouncer ignores start options.
ROLE_SETTINGS = ("random_page_cost = 1.1", "kyros.notices = on")

_SHOW = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SHOW random_page_cost")
    print(*cursor.fetchone(), connection.triggers_notify())
"""


@pytest.fixture
def pgbouncer(
    postgres_server: Callable[..., PostgresServer], server_folder: Callable[[str], Path]
) -> Iterator[PgBouncer]:
    postgres = postgres_server()
    with postgres.connect() as connection:
        for setting in ROLE_SETTINGS:
            connection.execute(f"ALTER ROLE {SUPERUSER} SET {setting}")
    server = PgBouncer(postgres, server_folder("pgbouncer"))
    try:
        yield server.start()
    finally:
        server.close()


def shell(url: str, code: str) -> str:
    """Run code in the project with this DATABASE_URL; return its output."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "shell", "--no-imports", "-c", code]
    env = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(
        command, env=env, cwd=settings.BASE_DIR, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout.strip()


@pytest.fixture
def web(
    pgbouncer: PgBouncer, valkey_server: Callable[..., ValkeyServer], tmp_path: Path
) -> Iterator[Callable[[], WebServer]]:
    servers: list[WebServer] = []

    def start() -> WebServer:
        env = {"DATABASE_URL": pgbouncer.url(), "REDIS_URL": valkey_server().url, "METRICS_TOKEN": TOKEN}
        servers.append(WebServer(tmp_path / "web.log", env, workers=2))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_the_service_works_and_stays_coherent(pgbouncer: PgBouncer, web: Callable[[], WebServer]):
    session = shell(pgbouncer.server.url(), PREPARE)
    assert shell(pgbouncer.url(), _SHOW) == "1.1 True"
    ids = json.loads(shell(pgbouncer.url(), SOAK_JOBS))
    url = web().url
    client = HttpClient(url).sign_in("moderator")

    job = client.post(JOBS, {"name": "behind pgbouncer", "queue": "bouncer"}).json()
    (claimed,) = client.post(f"{JOBS}claim/", {"worker": "w", "queues": ["bouncer"]}).json()["jobs"]
    lease = {"lease_token": claimed["lease_token"]}
    assert claimed["id"] == job["id"]
    assert client.post(f"{JOBS}{job['id']}/heartbeat/", {**lease, "progress": 50}).status == 200
    assert client.send("PUT", f"{JOBS}{job['id']}/status/", {**lease, "status": "completed"}).status == 200
    history = client.get(f"{JOBS}{job['id']}/events/").json()["results"]
    assert {event["type"] for event in history} >= {"job_completed", "job_started", "job_created"}
    assert client.get(f"{JOBS}counts/").json()["counts"]["completed"] == len(ids["completed"]) + 1
    assert client.post(f"{JOBS}bulk/", {"jobs": [{"name": f"job {n}"} for n in range(50)]}).status == 201
    browser = HttpClient(url, {"Cookie": f"sessionid={session}", "Accept": "text/html"})
    assert browser.get("/admin/").status == browser.get("/admin/orchestrator/job/").status == 200
    report = client.get("/monitoring/performance/database").json()["database_performance"]
    assert report["errors"] == {}

    token = client.headers["Authorization"].removeprefix("Bearer ")
    result = Soak(url, token, ids, 80).run(3)

    assert result.errors == []
    assert result.stale == []
    assert result.writes > 0
