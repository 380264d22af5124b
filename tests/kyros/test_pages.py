"""The site's own addresses, its error pages and the pages for probes."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from tests.over_http import HttpClient
from tests.servers.web import WebServer

pytestmark = pytest.mark.django_db


def test_root_leads_to_the_api(client):
    assert client.get("/").headers["Location"] == "/api/v1/"


@pytest.mark.parametrize("path", ["/api/v1/nothing/", "/auth/nothing/", "/monitoring/nothing"])
def test_address_that_leads_nowhere_is_json_for_programs(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_address_that_leads_nowhere_is_a_page_for_people(client):
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_host_that_is_not_ours_is_a_400_in_json(client):
    answer = client.get("/api/v1/jobs/", HTTP_HOST="evil.example")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Bad request."})


def test_documentation_needs_no_network(client):
    page = client.get("/api/v1/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_pages_for_probes_are_for_reading_and_never_kept(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert client.post(path).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_ready_means_that_migrations_are_applied(client):
    assert client.get("/readyz").json() == {"status": "ready", "cache": "up"}
    migration = ("orchestrator", "0002_performance_optimization")
    MigrationRecorder(connection).record_unapplied(*migration)
    try:
        answer = client.get("/readyz")
    finally:
        MigrationRecorder(connection).record_applied(*migration)
    assert answer.status_code == 503
    assert answer.json()["reason"] == f"migrations are not applied: {'.'.join(migration)}"


def test_database_that_does_not_answer_is_not_ready_but_alive(tmp_path):
    name = "ENGINE_THAT_IS_NOT_THERE"
    env = {"DATABASE_URL": f"postgresql://nobody@/{name}?host=/nowhere", "DB_POOL_MAX_SIZE": "0"}
    server = WebServer(tmp_path / "web.log", env, workers=1)
    try:
        client = HttpClient(server.url)
        answer = client.get("/readyz")
        assert (answer.status, answer.json()["reason"]) == (503, "the database does not respond")
        assert name not in answer.text
        assert client.get("/healthz").status == 200
    finally:
        server.close()
