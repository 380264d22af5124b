"""The site's root, its error pages, and the health check endpoints."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from tests.http_client import HttpClient
from tests.servers.web import WebServer

pytestmark = pytest.mark.django_db


@pytest.mark.one_engine
def test_root_redirects_to_the_api(client):
    assert client.get("/").headers["Location"] == "/api/v1/"


NO_PAGE = pytest.mark.parametrize(
    "path", ["/api/v1/nothing/", "/auth/nothing/", "/monitoring/nothing", "/no"]
)


@NO_PAGE
@pytest.mark.one_engine
@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.9", ""])
def test_an_unknown_url_is_json_for_a_program(client, path, accept):
    response = client.get(path, HTTP_ACCEPT=accept)
    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})


@NO_PAGE
@pytest.mark.one_engine
def test_an_unknown_url_is_a_page_for_a_browser(client, path):
    response = client.get(path, HTTP_ACCEPT="text/html,application/xhtml+xml,*/*;q=0.8")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_unknown_host_is_a_400_in_json(client):
    response = client.get("/api/v1/jobs/", HTTP_HOST="evil.example")
    assert (response.status_code, response.json()) == (400, {"detail": "Bad request."})


def test_api_documentation_loads_nothing_from_other_sites(client):
    page = client.get("/api/v1/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_are_read_only_and_never_cached(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    strict = Client(enforce_csrf_checks=True)
    assert [strict.generic(method, path).status_code for method in ("POST", "PUT", "DELETE")] == [405] * 3


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["evil.example", "a b/", ""])
def test_health_checks_accept_any_host(client, path, host):
    assert client.get(path, HTTP_HOST=host).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_ready_requires_that_migrations_are_applied(client):
    assert client.get("/readyz").json() == {"status": "ready", "cache": "up"}
    migration = ("orchestrator", "0002_performance_optimization")
    MigrationRecorder(connection).record_unapplied(*migration)
    try:
        response = client.get("/readyz")
    finally:
        MigrationRecorder(connection).record_applied(*migration)
    assert response.status_code == 503
    assert response.json()["reason"] == f"migrations are not applied: {'.'.join(migration)}"


@pytest.mark.one_engine
@pytest.mark.slow
def test_service_without_its_database_is_alive_but_not_ready(tmp_path):
    name = "ENGINE_THAT_IS_NOT_THERE"
    env = {"DATABASE_URL": f"postgresql://nobody@/{name}?host=/nowhere", "DB_POOL_MAX_SIZE": "0"}
    server = WebServer(tmp_path / "web.log", env, workers=1)
    try:
        client = HttpClient(server.url)
        response = client.get("/readyz")
        assert (response.status, response.json()["reason"]) == (503, "the database does not respond")
        assert name not in response.text
        assert client.get("/healthz").status == 200
    finally:
        server.close()
