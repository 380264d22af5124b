"""The cache's health: endpoint and command show the same figures, whatever the server does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from rest_framework.test import APIClient

from orchestrator.cache.tags import TTL_SETTINGS
from orchestrator.models import User
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

PATH = "/monitoring/cache/health"


def health_of(client: APIClient) -> dict:
    response = client.get(PATH)
    assert response.status_code == 200, response.content
    return response.json()["cache_health"]


def fill(valkey: ValkeyServer) -> None:
    for number in range(64):
        valkey.execute("SET", f"filler{number}", b"x" * 65536)


def command(capsys: pytest.CaptureFixture[str]) -> tuple[dict, int]:
    with pytest.raises(SystemExit) as ended:
        call_command("cache_health", json=True)
    return json.loads(capsys.readouterr().out)["cache_health"], ended.value.code


@pytest.mark.django_db(transaction=True)
class TestEndpoint:
    def test_is_for_moderators(self, api: APIClient, as_user: APIClient):
        assert api.get(PATH).status_code == 401
        assert as_user.get(PATH).status_code == 403

    def test_has_the_promised_shape(self, as_moderator: APIClient):
        document = as_moderator.get(PATH).json()

        health = document["cache_health"]
        assert health["status"] == "healthy", health
        assert health["connection"] is True
        assert health["memory_usage"][-1] in "BKMG"
        assert health["connected_clients"] >= 1
        assert health["uptime_seconds"] >= 0
        assert health["server"].startswith("valkey ")
        assert health["latency_ms"] > 0
        assert health["breaker"] == "closed"
        assert health["families"].keys() == TTL_SETTINGS.keys()
        assert health["families"]["jobs"]["ttl"] == settings.CACHE_TTL_JOB_LIST
        assert document["timestamp"].endswith("Z")
        assert datetime.fromisoformat(document["timestamp"])

    def test_counts_hits_misses_and_invalidations(self, as_moderator: APIClient):
        for _ in range(4):
            as_moderator.get("/api/v1/tasks/")
        before = health_of(as_moderator)["families"]["tasks"]["invalidations"]
        as_moderator.post("/api/v1/tasks/", {"title": "t"})

        tasks = health_of(as_moderator)["families"]["tasks"]
        assert (tasks["hits"], tasks["misses"]) == (3, 1)
        assert tasks["hit_rate"] == tasks["hit_rate_minute"] == tasks["hit_rate_hour"] == 0.75
        assert tasks["invalidations"] == before + 1

    def test_shows_how_many_queries_were_saved(self, as_moderator: APIClient):
        for _ in range(10):
            as_moderator.get("/api/v1/tasks/")

        health = health_of(as_moderator)
        families = health["families"].values()
        requests = sum(each["hits"] + each["misses"] + each["bypasses"] for each in families)
        hits = sum(each["hits"] for each in families)
        assert health["queries_saved_percent"] == round(100 * hits / requests, 1) > 50


@pytest.mark.django_db(transaction=True)
class TestTrouble:
    def test_a_server_that_is_down_is_unhealthy(
        self, as_moderator: APIClient, settings, capsys: pytest.CaptureFixture[str]
    ):
        settings.CACHE_URL = None

        health = health_of(as_moderator)
        assert (health["status"], health["connection"]) == ("disabled", False)
        assert health["memory_usage"] is None
        assert command(capsys)[1] == 2

    def test_a_server_short_of_memory_is_degraded(
        self, as_moderator: APIClient, valkey: ValkeyServer, capsys: pytest.CaptureFixture[str]
    ):
        valkey.execute("CONFIG", "SET", "maxmemory", "3mb")
        valkey.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try:
            fill(valkey)

            health = health_of(as_moderator)
            assert health["status"] == "degraded", health
            assert health["connection"] is True
            assert "evicted" in " ".join(health["reasons"])
            assert command(capsys)[1] == 1
        finally:
            valkey.flush()
            valkey.execute("CONFIG", "SET", "maxmemory", "0")
            valkey.execute("CONFIG", "RESETSTAT")


@pytest.mark.django_db(transaction=True)
def test_a_full_server_that_evicts_nothing_is_degraded(as_moderator: APIClient, valkey: ValkeyServer):
    valkey.execute("CONFIG", "SET", "maxmemory", "3mb")
    valkey.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            fill(valkey)

        health = health_of(as_moderator)
        assert (health["status"], health["connection"]) == ("degraded", True), health
        assert "memory limit" in " ".join(health["reasons"])
    finally:
        valkey.execute("CONFIG", "SET", "maxmemory", "0")
        valkey.flush()


def run_command(env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "cache_health", "--json"],
        cwd=settings.BASE_DIR,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.django_db(transaction=True)
class TestProcesses:
    @pytest.mark.one_engine
    def test_a_frozen_server_leaves_the_rest_of_the_report(
        self,
        web: Callable[..., str],
        valkey_server: Callable[..., ValkeyServer],
        moderator: User,
        database_url: str,
    ):
        server = valkey_server()
        env = {"REDIS_URL": server.url, "DATABASE_URL": database_url}
        client = HttpClient(web(workers=1, env=env)).sign_in("moderator")
        server.freeze()
        try:
            health = client.get(PATH).json()["cache_health"]
            assert (health["status"], health["connection"]) == ("unhealthy", False)
            assert health["error"]
            assert health["outbox"]["length"] >= 0  # the database responds
            ended = run_command(env)
            assert ended.returncode == 1, ended.stderr
            assert json.loads(ended.stdout)["cache_health"]["status"] == "unhealthy"
        finally:
            server.thaw()

    # The web server's own doing, the same on both.
    @pytest.mark.sqlite
    def test_counts_are_summed_over_all_workers(
        self, web: Callable[..., str], moderator: User, valkey_server: Callable[..., ValkeyServer]
    ):
        client = HttpClient(web(workers=2, env={"REDIS_URL": valkey_server().url})).sign_in("moderator")
        requests = 40
        for _ in range(requests):
            assert client.get("/api/v1/tasks/").status == 200

        def counted() -> int:
            client.get("/api/v1/users/me/")  # a worker delivers its counts with a request
            tasks = client.get(PATH).json()["cache_health"]["families"]["tasks"]
            return tasks["hits"] + tasks["misses"] + tasks["bypasses"]

        wait_until(lambda: counted() == requests, what="the counts of both workers")
