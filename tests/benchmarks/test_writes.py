"""The baseline of the benchmark of writes. The figures are not tested."""

from http import HTTPStatus

from tests.http_client import HttpClient


def test_the_baseline_without_our_database_engine_creates_and_changes_a_job(web, user) -> None:
    url = web(workers=1, env={"DJANGO_SETTINGS_MODULE": "benchmarks.baseline_settings", "REDIS_URL": "none"})
    client = HttpClient(url).sign_in("user")
    created = client.post("/api/v1/jobs/", {"name": "nightly"})
    assert created.status == HTTPStatus.CREATED
    changed = client.send("PUT", f"/api/v1/jobs/{created.json()['id']}/status/", {"status": "cancelled"})
    assert (changed.status, changed.json()["status"]) == (HTTPStatus.OK, "cancelled")
