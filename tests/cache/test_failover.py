"""Failover by Sentinel: no server that took part in it brings back an old response."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from kyros import connection_urls
from monitoring.models import BackgroundTask
from orchestrator.cache import client as cache_client
from orchestrator.cache import epoch, failover, outbox
from orchestrator.cache.failover import ServerGroup
from orchestrator.models import Job, User
from tests.cache.assertions import uncached_body, warm
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess
from tests.servers.sentinel import ValkeyGroup
from tests.servers.web import HOST, procfile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

#: Each waits some seconds for Sentinel, and the engines differ only in the row that names the server.
ONE_ENGINE = pytest.mark.postgres

LIST = "/api/v1/jobs/"
TIMEOUTS = "socket_timeout=1&socket_connect_timeout=1"


@pytest.fixture
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyGroup]:
    group = ValkeyGroup(tmp_path_factory.mktemp("group")).start()
    yield group
    group.close()


@pytest.fixture
def cache(group: ValkeyGroup, settings: LazySettings, use_cache: Callable[[str], None]) -> ValkeyGroup:
    """The group, as the cache of this process."""
    url = connection_urls.cache_url(f"{group.url}?{TIMEOUTS}")
    settings.CACHE_SENTINELS = connection_urls.sentinels(url)
    use_cache(url)
    return group


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="a job")


def named() -> tuple[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, identity FROM cache_server")
        return cursor.fetchone() or (0, "")


def assert_current_until_hits(client: APIClient, job: Job) -> None:
    """Assert that every response is the database's, until the cache serves again."""
    path = f"{LIST}{job.pk}/"

    def is_hit() -> bool:
        response = client.get(path)
        assert response.content == uncached_body(client, path), f"stale ({response['X-Cache']})"
        return bool(response["X-Cache"] == "HIT")

    wait_until(is_hit, 60, what="a hit")


@ONE_ENGINE
def test_the_cache_serves_from_the_primary_that_sentinel_names(
    cache: ValkeyGroup, job: Job, as_user: APIClient
):
    warm(as_user, LIST, f"{LIST}{job.pk}/")
    assert cache.servers[0].execute("KEYS", "*:e:*")
    for priority in (1, 2, 3):
        assert as_user.patch(f"{LIST}{job.pk}/", {"priority": priority}).status_code == 200
        assert as_user.get(f"{LIST}{job.pk}/").json()["priority"] == priority
    wait_until(lambda: outbox.pending(connection, 1).ids == (), what="an empty outbox")
    warm(as_user, LIST)


def test_a_replica_that_is_promoted_late_brings_back_nothing(
    cache: ValkeyGroup, job: Job, as_user: APIClient, tmp_path: Path
):
    path = f"{LIST}{job.pk}/"
    warm(as_user, path)
    cache.wait_until_in_step()
    before, old = named(), as_user.get(path).content
    replica = cache.servers[1]
    snapshot = replica.save(tmp_path / "old.rdb")

    assert as_user.patch(path, {"priority": 7}).status_code == 200
    assert as_user.get(path).json()["priority"] == 7
    cache.promote_old_replica(snapshot, cache_client.current().read_script.source)

    assert replica.execute("KEYS", "*:e:*"), "the replica had no old entries"
    assert old != uncached_body(as_user, path)
    assert_current_until_hits(as_user, job)
    number, identity = named()
    assert number > before[0]
    assert identity != before[1]
    for priority in (8, 9):
        assert as_user.patch(path, {"priority": priority}).status_code == 200
        assert as_user.get(path).json()["priority"] == priority


@ONE_ENGINE
def test_without_the_rule_the_promoted_replica_would_bring_back_an_old_response(
    cache: ValkeyGroup, job: Job, as_user: APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The test above can fail: here the promoted server is named without voiding its entries."""
    path = f"{LIST}{job.pk}/"
    warm(as_user, path)
    cache.wait_until_in_step()
    monkeypatch.setattr(failover.epoch, "doubt", lambda _: None)
    snapshot = cache.servers[1].save(tmp_path / "old.rdb")

    assert as_user.patch(path, {"priority": 7}).status_code == 200
    cache.promote_old_replica(snapshot, cache_client.current().read_script.source)

    wait_until(lambda: as_user.get(path)["X-Cache"] == "HIT", 60, what="a hit")
    assert as_user.get(path).json()["priority"] == 0


@ONE_ENGINE
def test_a_primary_that_was_frozen_during_the_failover_is_trusted_by_nobody(
    cache: ValkeyGroup, job: Job, user: User, web
):
    """The reader's connections lead to the old primary, which goes on as if nothing had happened."""
    env = {"REDIS_URL": cache.url}
    reader, writer = (HttpClient(web(workers=1, env=env)).sign_in("user") for _ in range(2))
    path = f"{LIST}{job.pk}/"
    for each in (reader, writer):
        wait_until(lambda client=each: client.get(path).headers["X-Cache"] == "HIT", 60, what="a hit")
    old, _ = cache.servers

    old.freeze()
    cache.wait_until_promoted()
    assert writer.patch(path, {"priority": 5}).status == 200
    wait_until(lambda: writer.get(path).headers["X-Cache"] == "HIT", 60, what="a hit on the new primary")
    assert writer.patch(path, {"priority": 6}).status == 200
    old.thaw()

    response = reader.get(path)
    assert response.json()["priority"] == 6, response.headers["X-Cache"]
    for priority in (7, 8, 9):
        assert writer.patch(path, {"priority": priority}).status == 200
        assert reader.get(path).json()["priority"] == priority
    wait_until(lambda: reader.get(path).headers["X-Cache"] == "HIT", 60, what="a hit")


@ONE_ENGINE
def test_a_server_that_was_named_just_now_ends_no_doubt_and_gets_no_announcement(
    cache: ValkeyGroup, job: Job, as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    current = cache_client.current()
    warm(as_user, LIST)
    assert epoch.establish(current)
    epoch.doubt(current)
    monkeypatch.setattr(failover, "_SETTLES_AFTER", 1e9)

    with pytest.raises(cache_client.CacheUnavailable):
        epoch.establish(current)
    Job.objects.update(priority=3)
    assert outbox.pending(connection, 1).ids, "the write was announced"
    monkeypatch.undo()
    assert_current_until_hits(as_user, job)


@ONE_ENGINE
def test_of_two_processes_that_name_a_server_one_succeeds(cache: ValkeyGroup, job: Job, as_user: APIClient):
    warm(as_user, LIST)
    number, identity = named()
    group = cache_client.current().group
    with pytest.raises(cache_client.CacheUnavailable):
        group._replace(cache_client.current(), number - 1, identity)
    assert named() == (number, identity)


@ONE_ENGINE
def test_the_background_worker_follows_a_failover(group: ValkeyGroup, database_url: str, tmp_path: Path):
    (tmp_path / "data").mkdir()
    env = {
        "REDIS_URL": group.url,
        "DATABASE_URL": database_url,
        "KYROS_DATA_DIR": str(tmp_path / "data"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    log = tmp_path / "worker.log"
    worker = ChildProcess(["/bin/sh", "-c", procfile("worker")], log, env={**os.environ, **env})
    try:
        wait_until(lambda: runs() > 0, 60, what="a run of the worker")
        group.servers[0].kill()
        group.wait_until_promoted()
        before = runs()
        wait_until(lambda: runs() > before, 60, what="a run after the failover")
    finally:
        worker.close()


def runs() -> int:
    return sum(BackgroundTask.objects.filter(name="requeue_expired").values_list("runs", flat=True))


@ONE_ENGINE
def test_a_command_can_measure_and_audit_the_cache(cache: ValkeyGroup, job: Job):
    """It is a new process, which has not compared the servers yet."""
    with pytest.raises(SystemExit) as ended:
        call_command("cache_health", json=True)
    assert ended.value.code == 0
    call_command("cache_audit", json=True)


@ONE_ENGINE
def test_a_sentinel_that_does_not_respond_is_queried_once():
    """A request waits for it; the library itself would try again, with pauses of seconds."""
    with socket.create_server((HOST, 0)) as silent:
        url = connection_urls.cache_url(f"redis+sentinel://{HOST}:{silent.getsockname()[1]}/kyros/0")
        connections = failover.connect(connection_urls.sentinels(url), ServerGroup()).connection_pool
        with pytest.raises(redis.ConnectionError):
            connections.get_master_address()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
