"""A database that hangs: every endpoint responds, and says so to clients that may know."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import LazySettings, settings
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from monitoring import registry, timeouts
from monitoring.timeouts import MAX_HANGING_CALLS, BoundedCall, TimeBudget, TimeBudgetExceeded
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer
from tests.servers.web import WebServer

pytestmark = pytest.mark.engine_neutral

TOKEN = "a metrics token of the tests"
CACHE, DATABASE = "/monitoring/cache/health", "/monitoring/performance/database"
PATHS = (CACHE, DATABASE, "/metrics")

#: Creates the tables, two users and a session of the moderator, and prints the session's key.
PREPARE = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from tests.users import make_user

call_command("migrate", verbosity=0)
for name, role in (("moderator", "moderator"), ("user", "user")):
    made = make_user(name, role)
    if name == "moderator":
        session = SessionStore()
        session[SESSION_KEY], session[HASH_SESSION_KEY] = str(made.pk), made.get_session_auth_hash()
        session[BACKEND_SESSION_KEY] = "orchestrator.auth.permissions.RoleBackend"
        session.save()
        print(session.session_key)
"""


@dataclass
class Service:
    """A private database and cache, and the processes that use them."""

    database: PostgresServer
    cache: ValkeyServer
    folder: Path
    ends: ExitStack

    @property
    def env(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database.url(),
            "REDIS_URL": self.cache.url,
            "METRICS_TOKEN": TOKEN,
            "KYROS_DATA_DIR": str(self.folder),
        }

    def web(self) -> str:
        """Start a web server and return its URL."""
        server = WebServer(self.folder / "web.log", self.env, workers=1)
        self.ends.callback(server.close)
        return server.url

    def shell(self, code: str) -> list[str]:
        """Return the command that runs code in the project."""
        return [sys.executable, str(settings.BASE_DIR / "manage.py"), "shell", "--no-imports", "-c", code]

    def prepare(self) -> str:
        """Create tables and users; return the key of the moderator's session."""
        command, env = self.shell(PREPARE), {**os.environ, **self.env}
        done = subprocess.run(
            command, env=env, cwd=settings.BASE_DIR, check=True, text=True, stdout=subprocess.PIPE
        )
        return done.stdout.strip()

    @contextmanager
    def frozen_database(self) -> Iterator[None]:
        self.database.freeze()
        try:
            yield
        finally:
            self.database.thaw()


@pytest.fixture
def service(
    postgres_server: Callable[..., PostgresServer], valkey_server: Callable[..., ValkeyServer], tmp_path: Path
) -> Iterator[Service]:
    with ExitStack() as ends:
        yield Service(postgres_server(), valkey_server(), tmp_path, ends)


def metrics(client: HttpClient) -> dict[str, float]:
    """Return the metrics without labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        sample.name: sample.value for family in families for sample in family.samples if not sample.labels
    }


def test_every_endpoint_reports_a_frozen_database(service: Service):
    client = HttpClient(service.web(), {"Authorization": f"Bearer {TOKEN}"})
    # The database is empty: nothing is migrated.
    assert client.get("/readyz").json()["reason"].startswith("migrations are not applied")
    assert client.get("/metrics").status == 200

    with service.frozen_database():
        assert client.get("/readyz").json()["reason"] == "the database does not respond"
        figures = wait_until(lambda: (found := metrics(client))["kyros_db_up"] == 0 and found)
        assert figures["kyros_cache_up"] == 1


def test_the_metrics_token_opens_the_monitoring_while_the_database_is_frozen(service: Service):
    session = service.prepare()
    url = service.web()
    moderator, user = (HttpClient(url).sign_in(name) for name in ("moderator", "user"))
    collector, anonymous = HttpClient(url, {"Authorization": f"Bearer {TOKEN}"}), HttpClient(url)
    forged = HttpClient(url, {"Authorization": f"Bearer {TOKEN}x"})
    browser = HttpClient(url, {"Cookie": f"sessionid={session}"})
    wait_until(lambda: is_complete(collector), what="the whole report")
    for path in PATHS:
        assert moderator.get(path).status == browser.get(path).status == 200
        assert user.get(path).status == 403
        assert anonymous.get(path).status == forged.get(path).status == 401

    with service.frozen_database():
        for path in PATHS:
            assert collector.get(path).status == 200
            assert anonymous.get(path).status == forged.get(path).status == 401
            for client in (moderator, browser):
                refused = client.get(path)
                assert refused.status == 503
                assert "The database does not respond" in refused.text
                assert "METRICS_TOKEN" in refused.text

        health = collector.get(CACHE).json()["cache_health"]
        assert (health["status"], health["connection"]) == ("healthy", True)
        assert health["outbox"] is None
        report = collector.get(DATABASE).json()["database_performance"]
        assert report["cache_status"]["connection"] is True
        assert report["table_statistics"] == report["server"] == {}
        assert report["query_plans"] == report["sessions"] == []
        assert {"rows", "tables", "server", "query_plans"} <= report["errors"].keys()
        assert "database:unreachable" in {each["id"] for each in report["recommendations"]}

        for path in ("/admin/cache/", "/admin/login/"):
            page = browser.get(path)
            assert page.status == 503
            assert "database" in page.text
        assert anonymous.get("/healthz").status == 200
        assert anonymous.get("/readyz").json() == {
            "status": "unavailable",
            "reason": "the database does not respond",
            "cache": "up",
        }

    wait_until(lambda: is_complete(collector), what="the whole report")
    wait_until(lambda: browser.get("/admin/cache/").status == 200, what="the breaker's closing")
    assert moderator.get(CACHE).status == 200


def is_complete(client: HttpClient) -> bool:
    """Return whether the report has every section."""
    response = client.get(DATABASE)
    assert response.status == 200, response.text
    report = response.json()["database_performance"]
    return not report["errors"] and report["table_statistics"]["users"]["row_count"] == 2


@pytest.fixture
def all_calls_hang() -> Iterator[None]:
    end = threading.Event()
    calls = [BoundedCall(end.wait) for _ in range(MAX_HANGING_CALLS)]
    yield
    end.set()
    for call in calls:
        assert call.result(20)


def test_the_metrics_token_works_although_no_call_to_the_database_can_start(
    all_calls_hang: None, api: APIClient, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(timeouts, "TIME_BUDGET_SECONDS", 0.05)
    settings.METRICS_TOKEN = TOKEN
    for path in PATHS:
        assert api.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        refused = api.get(path)
        assert (refused.status_code, "METRICS_TOKEN" in refused.text) == (503, True)


def test_the_cache_is_measured_although_no_call_to_the_database_can_start(all_calls_hang: None):
    assert registry.monitored_app().cache(TimeBudget(0.5)).connection


def test_a_call_whose_thread_cannot_start_leaves_its_place_to_later_calls(monkeypatch: pytest.MonkeyPatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        for _ in range(MAX_HANGING_CALLS):
            with pytest.raises(TimeBudgetExceeded):
                TimeBudget(0.01).result(BoundedCall(lambda: 1))
    assert TimeBudget(20).result(BoundedCall(lambda: 1)) == 1
