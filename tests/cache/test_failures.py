"""Failures of the cache server: responses stay current, and the cache recovers by itself."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from rest_framework.test import APIClient

from orchestrator.cache import client as cache_client
from orchestrator.cache import metrics, outbox, tags
from orchestrator.cache.breaker import BreakerState
from orchestrator.models import Job, User
from tests.cache.assertions import cache_status, cache_status_once, uncached_body, warm
from tests.cache.tcp_proxy import TcpProxy
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer
from tests.servers.web import free_port

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/jobs/"
OwnCache = Callable[..., ValkeyServer]


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="a job")


def paths_of(job: Job) -> tuple[str, ...]:
    return (LIST, "/api/v1/jobs/?status=pending", "/api/v1/jobs/counts/", f"/api/v1/jobs/{job.pk}/")


def assert_same(client: APIClient, job: Job) -> None:
    """Assert that the responses are what the database gives, cached or not."""
    for path in paths_of(job):
        response = client.get(path)
        assert response.status_code == 200, response.content
        assert response.content == uncached_body(client, path), f"{path} is stale ({response['X-Cache']})"


def write_and_read(client: APIClient, job: Job, times: int = 3) -> None:
    """Write, and assert after each write that the next read shows it."""
    for _ in range(times):
        job.priority += 1
        response = client.patch(f"/api/v1/jobs/{job.pk}/", {"priority": job.priority})
        assert response.status_code == 200, response.content
        assert client.get(f"/api/v1/jobs/{job.pk}/").json()["priority"] == job.priority
        assert_same(client, job)


def assert_recovers(client: APIClient, job: Job) -> None:
    """Assert that the cache serves again and that the outbox is drained."""
    wait_until(lambda: cache_client.current().breaker.closed, what="the breaker's closing")
    assert_same(client, job)
    wait_until(lambda: cache_status(client, LIST) == "HIT", what="a hit")
    assert outbox.pending(connection, 1).ids == ()
    write_and_read(client, job)
    warm(client, *paths_of(job))


@pytest.mark.one_engine
def test_a_connection_that_broke_while_idle_is_replaced(
    own_cache: OwnCache, long_lease: None, job: Job, as_user: APIClient
):
    cache = own_cache()
    warm(as_user, LIST)
    cache.execute("CLIENT", "KILL", "TYPE", "normal")

    assert cache_status_once(as_user, LIST) == "HIT"
    assert cache_client.current().breaker._failures == 0  # noqa: SLF001


class TestRefused:
    def test_the_first_write_after_it_goes_into_the_outbox(self, own_cache: OwnCache, job: Job):
        cache = own_cache()
        job.save()
        assert outbox.pending(connection, 1).ids == ()
        cache.kill()
        assert cache_client.current().usable  # the breaker is still closed

        job.save()

        assert outbox.pending(connection, 10).tags >= {tags.JOBS, tags.job(job.pk)}

    def test_writes_are_seen_and_the_cache_recovers(self, own_cache: OwnCache, job: Job, as_user: APIClient):
        cache = own_cache()
        warm(as_user, *paths_of(job))

        cache.kill()
        write_and_read(as_user, job)
        assert cache_client.current().breaker.state is BreakerState.OPEN
        assert outbox.pending(connection, 1).ids != ()

        cache.restart()
        assert_recovers(as_user, job)

    @pytest.mark.one_engine
    def test_from_the_start(self, web, job: Job, user: User, valkey_server):
        cache = valkey_server()
        cache.kill()
        client = HttpClient(web(workers=1, env={"REDIS_URL": cache.url})).sign_in("user")
        assert client.get(LIST).headers["X-Cache"] == "BYPASS"
        assert client.patch(f"{LIST}{job.pk}/", {"priority": 5}).status == 200
        assert client.get(f"{LIST}{job.pk}/").json()["priority"] == 5

        cache.restart()
        wait_until(lambda: client.get(LIST).headers["X-Cache"] == "HIT", what="a hit")
        assert client.get(LIST).json()["results"][0]["priority"] == 5


class TestFrozen:
    @pytest.fixture
    def cache(self, own_cache: OwnCache) -> Iterator[ValkeyServer]:
        cache = own_cache()
        yield cache
        cache.thaw()

    def test_writes_are_seen_and_the_cache_recovers(self, cache: ValkeyServer, job: Job, as_user: APIClient):
        warm(as_user, *paths_of(job))

        cache.freeze()
        write_and_read(as_user, job)
        cache.thaw()

        assert_recovers(as_user, job)

    @pytest.mark.one_engine
    def test_only_the_first_call_times_out(self, cache: ValkeyServer, job: Job, as_user: APIClient):
        warm(as_user, *paths_of(job))
        before = metrics._counts["failures:read"]  # noqa: SLF001
        cache.freeze()

        for _ in range(20):
            assert cache_status_once(as_user, LIST) == "BYPASS"

        assert metrics._counts["failures:read"] == before + 1  # noqa: SLF001
        assert cache_client.current().breaker.state is BreakerState.OPEN

    def test_writes_wait_for_the_lease_once(
        self, cache: ValkeyServer, job: Job, as_user: APIClient, monkeypatch: pytest.MonkeyPatch
    ):
        warm(as_user, LIST)
        sleeps: list[float] = []
        never = threading.Event()

        def sleep(seconds: float) -> None:
            if threading.current_thread() is threading.main_thread():  # not the breaker's thread
                sleeps.append(seconds)
            never.wait(seconds)

        monkeypatch.setattr("orchestrator.cache.in_flight.time.sleep", sleep)
        cache.freeze()
        Job.objects.update(priority=1)
        assert sleeps
        sleeps.clear()

        for priority in range(5):
            Job.objects.update(priority=priority)

        assert sleeps == []

    @pytest.mark.one_engine
    def test_an_idle_process_serves_nothing_stale_after_the_thaw(
        self, cache: ValkeyServer, web, job: Job, user: User
    ):
        idle, busy = (web(workers=1, env={"REDIS_URL": cache.url}) for _ in range(2))
        reader, writer = HttpClient(idle).sign_in("user"), HttpClient(busy).sign_in("user")
        path = f"{LIST}{job.pk}/"
        for priority in range(1, 4):
            wait_until(lambda: reader.get(path).headers["X-Cache"] == "HIT", what="a hit")

            cache.freeze()
            assert writer.patch(path, {"priority": priority}).status == 200
            cache.thaw()

            assert reader.get(path).json()["priority"] == priority
            assert reader.get(LIST).json()["results"][0]["priority"] == priority
            wait_until(lambda: writer.get(LIST).headers["X-Cache"] == "HIT", what="the breaker's closing")


@pytest.mark.one_engine
class TestKilledMidRequest:
    def test_the_request_gets_a_response(self, own_cache: OwnCache, job: Job, as_user: APIClient):
        cache = own_cache()
        warm(as_user, *paths_of(job))
        statuses: list[int] = []
        cache.freeze()
        request = threading.Thread(target=lambda: statuses.append(get_in_thread(as_user)))
        request.start()

        cache.kill()
        request.join()

        assert statuses == [200]
        write_and_read(as_user, job)
        cache.restart()
        assert_recovers(as_user, job)


def get_in_thread(client: APIClient) -> int:
    """Return the status of a request that runs in a thread, and close the thread's connection."""
    try:
        return int(client.get(LIST).status_code)
    finally:
        connection.close()


class TestRestarted:
    def test_empty(self, own_cache: OwnCache, job: Job, as_user: APIClient):
        cache = own_cache()
        for _ in range(3):
            warm(as_user, *paths_of(job))
            cache.restart()
            assert_same(as_user, job)
            write_and_read(as_user, job, times=1)
        assert_recovers(as_user, job)

    def test_from_an_old_snapshot(self, own_cache: OwnCache, job: Job, as_user: APIClient, tmp_path: Path):
        cache = own_cache()
        warm(as_user, *paths_of(job))
        snapshot = cache.save(tmp_path / "old.rdb")
        write_and_read(as_user, job)

        cache.restart(snapshot)

        assert cache.execute("KEYS", "*:e:*"), "the snapshot had no entries"
        assert cache_status_once(as_user, f"{LIST}{job.pk}/") != "HIT"
        assert_same(as_user, job)
        assert_recovers(as_user, job)

    def test_while_a_writer_is_between_begin_and_commit(
        self, own_cache: OwnCache, job: Job, as_user: APIClient, monkeypatch: pytest.MonkeyPatch
    ):
        cache = own_cache()
        warm(as_user, *paths_of(job))
        begin = connection._begin_write  # noqa: SLF001

        def begin_and_restart():
            write = begin()
            cache.restart()
            return write

        monkeypatch.setattr(connection, "_begin_write", begin_and_restart)
        Job.objects.update(priority=50)
        monkeypatch.undo()

        assert as_user.get(f"{LIST}{job.pk}/").json()["priority"] == 50
        assert_recovers(as_user, Job.objects.get())


@pytest.mark.one_engine
class TestMemory:
    def test_full_and_not_evicting(self, own_cache: OwnCache, job: Job, as_user: APIClient):
        cache = own_cache({"maxmemory-policy": "noeviction"})
        warm(as_user, *paths_of(job))
        cache.execute("SET", "filler", b"x" * 1_000_000)
        cache.execute("CONFIG", "SET", "maxmemory", "1mb")

        waits = metrics._counts["jobs:waits"]  # noqa: SLF001
        write_and_read(as_user, job)

        # No caller keeps the claim, so none waits.
        assert metrics._counts["jobs:waits"] == waits  # noqa: SLF001
        assert cache_client.current().breaker.closed, "a full server is not a failure"
        cache.execute("CONFIG", "SET", "maxmemory", "0")
        assert_recovers(as_user, job)

    @pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
    def test_evicting_all_the_time(self, policy: str, own_cache: OwnCache, job: Job, as_user: APIClient):
        cache = own_cache({"maxmemory": "3mb", "maxmemory-policy": policy})
        filler = threading.Event()

        def fill() -> None:
            with cache.client() as client:
                # A third of the memory each time: no entry survives more than some requests.
                for number in itertools.count():
                    client.mset({f"filler {number} {each}": b"x" * 16_384 for each in range(60)})
                    if filler.wait(0.01):
                        return

        thread = threading.Thread(target=fill)
        thread.start()
        try:
            write_and_read(as_user, job, times=12)
        finally:
            filler.set()
            thread.join()
        with cache.client() as client:
            assert client.info("stats")["evicted_keys"] > 500


@pytest.mark.one_engine
class TestReadOnly:
    def test_a_replica_serves_nothing_stale(self, own_cache: OwnCache, job: Job, as_user: APIClient):
        cache = own_cache({"replica-serve-stale-data": "yes"})
        warm(as_user, *paths_of(job))

        cache.execute("REPLICAOF", "127.0.0.1", free_port())
        write_and_read(as_user, job)

        cache.execute("REPLICAOF", "NO", "ONE")
        assert_recovers(as_user, job)


class TestUnreachableForWriter:
    """The readers can reach the server, the writer cannot."""

    def test_an_acknowledged_write_is_seen_by_every_process(self, web, valkey_server, job: Job, user: User):
        cache = valkey_server()
        reader = HttpClient(web(workers=1, env={"REDIS_URL": cache.url})).sign_in("user")
        with TcpProxy(cache.socket) as proxy:
            writer = HttpClient(web(workers=1, env={"REDIS_URL": proxy.url})).sign_in("user")
            path = f"{LIST}{job.pk}/"
            for priority in range(1, 13):
                if priority % 4 == 1:
                    proxy.restore()
                elif priority % 4 == 3:
                    proxy.cut()
                wait_until(lambda: reader.get(path).headers["X-Cache"] == "HIT", what="a hit")
                reader.get(LIST)

                assert writer.patch(path, {"priority": priority}).status == 200

                assert reader.get(path).json()["priority"] == priority
                assert reader.get(LIST).json()["results"][0]["priority"] == priority
                assert writer.get(path).json()["priority"] == priority
