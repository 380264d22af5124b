"""The end of a write is sent after its COMMIT, and nobody waits for the reply."""

from collections.abc import Callable

import pytest
from django.db import connection
from rest_framework.test import APIClient

from orchestrator.cache import client as cache_client
from orchestrator.cache import keys, metrics, scripts, tags
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.models import Job
from tests.cache.assertions import cache_status, warm
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_lease")]

OwnCache = Callable[..., ValkeyServer]


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="a job")


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The failures that are counted during the test."""
    counted: list[str] = []
    count = metrics.count

    def count_and_note(group: str, event: str, times: int = 1) -> None:
        if group == "failures":
            counted.append(event)
        count(group, event, times)

    monkeypatch.setattr(metrics, "count", count_and_note)
    return counted


def write(between: Callable[[], object]) -> None:
    """Write with something happening between the begin and the COMMIT."""
    begin = connection._begin_write  # noqa: SLF001

    def begin_and_more():
        begun = begin()
        between()
        return begun

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_begin_write", begin_and_more)
        Job.objects.update(priority=50)


def writers_in_flight(cache: ValkeyServer) -> object:
    return cache.execute("ZCARD", keys.writers(tags.JOBS))


def path_of(job: Job) -> str:
    return f"/api/v1/jobs/{job.pk}/"


def test_the_next_read_finds_the_write_ended(own_cache: OwnCache, job: Job, as_user: APIClient):
    own_cache()
    warm(as_user, path_of(job))
    for priority in range(1, 20):
        Job.objects.update(priority=priority)
        assert as_user.get(path_of(job))["X-Cache"] == "MISS"  # BYPASS while it is in flight


class TestFrozenAfterTheBegin:
    def test_the_write_does_not_wait(
        self, own_cache: OwnCache, job: Job, as_user: APIClient, failures: list[str]
    ):
        cache = own_cache()
        warm(as_user, path_of(job))
        write(cache.freeze)
        try:
            assert cache_client.current().breaker.closed
            assert failures == []

            assert as_user.get(path_of(job)).json()["priority"] == 50
            assert failures.count("end") == 1
            assert not cache_client.current().breaker.closed
        finally:
            cache.thaw()

        wait_until(lambda: cache_status(as_user, path_of(job)) == "HIT", what="a hit")
        assert writers_in_flight(cache) == 0
        assert as_user.get(path_of(job)).json()["priority"] == 50
        assert failures.count("end") == 1

    def test_a_lost_reply_is_counted_once(
        self, own_cache: OwnCache, job: Job, as_user: APIClient, failures: list[str]
    ):
        cache = own_cache()
        warm(as_user, path_of(job))
        write(cache.freeze)
        cache.kill()

        for _ in range(2):
            assert as_user.get(path_of(job)).json()["priority"] == 50
        assert failures.count("end") == 1


@pytest.mark.one_engine
def test_a_server_that_has_forgotten_the_script_ends_the_write(
    own_cache: OwnCache, job: Job, failures: list[str]
):
    cache = own_cache()
    Job.objects.update(priority=1)

    write(lambda: cache.execute("SCRIPT", "FLUSH"))

    assert writers_in_flight(cache) == 0
    assert failures == []


@pytest.mark.one_engine
def test_an_error_is_counted_once_and_the_next_command_gets_its_own_reply(
    own_cache: OwnCache, job: Job, failures: list[str]
):
    cache = own_cache({"replica-serve-stale-data": "yes"})
    writers = scripts.writers([tags.JOBS])._replace(arguments=[-60])  # also those that have just begun

    write(lambda: cache.execute("REPLICAOF", "127.0.0.1", 1))  # it refuses to write

    for _ in range(2):
        assert len(cache_client.current().run(writers)) == 1
        assert failures == ["end"]
    assert cache_client.current().breaker.closed


@pytest.mark.one_engine
def test_a_call_that_cannot_be_sent_is_counted(own_cache: OwnCache, job: Job, failures: list[str]):
    cache = own_cache()
    Job.objects.update(priority=1)

    write(cache.kill)

    assert failures == ["end"]
    with pytest.raises(CacheUnavailable):
        cache_client.current().run(scripts.writers([tags.JOBS]))
