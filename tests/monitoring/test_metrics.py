"""The metrics: summed over all workers, also after one was killed."""

import re
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from django.core import checks
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from monitoring import exposition
from orchestrator.db.replicas.replica_metrics import READS, Outcome
from orchestrator.models import User
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

PATH = "/metrics"
TOKEN = "a metrics token of the tests"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exposition, "_REPORT_TTL", 0)


def samples(text: str) -> dict[tuple[str, frozenset], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


@pytest.mark.one_engine
class TestRights:
    def test_moderators_may(self, api: APIClient, as_user: APIClient, as_moderator: APIClient):
        assert api.get(PATH).status_code == 401
        assert as_user.get(PATH).status_code == 403
        assert as_moderator.get(PATH).status_code == 200

    def test_the_token_gives_access(self, api: APIClient, settings):
        settings.METRICS_TOKEN = TOKEN
        assert api.get(PATH, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert api.get(PATH, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401

    @pytest.mark.parametrize(("token", "warnings"), [("hunter2", 1), ("x" * 16, 0), (None, 0)])
    def test_the_deployment_check_warns_of_a_short_token(self, settings, token, warnings):
        settings.METRICS_TOKEN = token
        found = checks.run_checks(include_deployment_checks=True)
        assert len([each for each in found if each.id == "monitoring.W001"]) == warnings
        assert "hunter2" not in str(found)

    def test_without_a_metrics_token_no_bearer_gives_access(self, api: APIClient, settings):
        settings.METRICS_TOKEN = None
        for header in ("Bearer None", "Bearer ", "Bearer"):
            assert api.get(PATH, headers={"Authorization": header}).status_code == 401

    def test_the_token_opens_the_monitoring_and_nothing_else(self, api: APIClient, settings):
        settings.METRICS_TOKEN = TOKEN
        for header in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
            headers = {"Authorization": header}
            for path in ("/monitoring/cache/health", "/monitoring/performance/database"):
                assert api.get(path, headers=headers).status_code == 200
            assert api.get("/api/v1/jobs/", headers=headers).status_code == 401
        assert api.get(PATH, headers={"Authorization": TOKEN}).status_code == 401


@pytest.mark.one_engine
def test_the_format_is_the_same_for_every_accept_header(as_moderator: APIClient):
    response = as_moderator.get(PATH, headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    assert value(response.text, "kyros_cache_up") == 1
    assert value(response.text, "kyros_table_rows", table="users") == 1


def requests_to_login(text: str) -> float:
    labels = {"method": "POST", "route": "auth/login/", "status": "4xx"}
    return value(text, "kyros_http_request_seconds_count", **labels)


# The web server's own doing, the same on both.
@pytest.mark.sqlite
def test_the_counts_of_a_killed_worker_are_kept(
    web: Callable[..., str], tmp_path: Path, moderator: User, valkey_server: Callable[..., ValkeyServer]
):
    env = {
        "KYROS_DATA_DIR": str(tmp_path),
        "METRICS_TOKEN": TOKEN,
        "REDIS_URL": valkey_server().url,
    }
    client = HttpClient(web(workers=2, env=env))
    collector = HttpClient(client.url, {"Authorization": f"Bearer {TOKEN}"})
    requests = 20
    for _ in range(requests):
        assert client.post("/auth/login/", {"username": "x"}).status == 400

    assert requests_to_login(collector.get(PATH).text) == requests
    workers = {int(file.stem.rpartition("_")[2]) for file in (tmp_path / "metrics").glob("histogram_*.db")}
    victim = psutil.Process(max(workers))
    victim.kill()
    wait_until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE)

    def scrape() -> str:
        try:
            return collector.get(PATH).text
        except OSError:  # the connection belonged to the killed worker
            return ""

    after = wait_until(scrape)
    assert requests_to_login(after) == requests
    # Gauges, such as a pool's connections, disappear with their worker.
    pools = {dict(labels)["pid"] for name, labels in samples(after) if name == "kyros_db_pool"}
    assert str(victim.pid) not in pools


DOCS = Path(__file__).resolve().parents[2] / "docs" / "monitoring"


@pytest.mark.postgres  # SQLite has neither pools nor connections
def test_every_metric_that_the_documents_name_exists(as_moderator: APIClient, settings):
    settings.SLOW_REQUEST_MS = 0
    READS.labels("a replica", Outcome.USED).inc()  # this database has none
    as_moderator.get("/api/v1/tasks/")
    as_moderator.get(PATH)  # counted by the next one
    text = as_moderator.get(PATH).text
    declared = set(re.findall(r"# TYPE (\w+)", text))
    known = (
        {name for name, _ in samples(text)}
        | declared
        | {f"{name}{end}" for name in declared for end in ("_bucket", "_sum", "_count")}
    )
    for file in ("grafana.json", "alerts.yml"):
        named = set(re.findall(r"\bkyros_\w+", (DOCS / file).read_text(encoding="utf-8")))
        assert named
        assert named <= known, (file, named - known)
