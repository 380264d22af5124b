"""The soak: no stale response and no error while the cache server fails; a broken protocol is detected."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from orchestrator.choices import JobStatus
from orchestrator.models import Job, User
from tests.cache.soak import Soak
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

#: Duration of all soaks of one engine together.
SECONDS = float(os.environ.get("SOAK_SECONDS", "10"))
#: Spread over five statuses.
WRITES_A_SECOND = 100

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(SECONDS + 120)]


@pytest.fixture
def jobs(db: None) -> dict[str, list[str]]:
    """Ten jobs of each status."""
    at = timezone.now()
    made = [
        Job(name=f"{status} {number}", status=status, started_at=at, completed_at=at)
        for status in JobStatus.values
        for number in range(10)
    ]
    Job.objects.bulk_create(made)
    return {status: [str(job.pk) for job in made if job.status == status] for status in JobStatus.values}


@pytest.fixture
def cache(valkey_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    return valkey_server()


def soak_of(
    url: str, jobs: dict[str, list[str]], database: Callable[[], dict[str, int]] | None = None
) -> Soak:
    token = HttpClient(url).sign_in("user").headers["Authorization"].removeprefix("Bearer ")
    return Soak(url, token, jobs, WRITES_A_SECOND, database)


def test_without_failures_and_while_the_server_fails(
    web, cache: ValkeyServer, relay_on, jobs, user: User, tmp_path: Path, record_property
):
    relay_on(cache)
    url = web(workers=2, env={"REDIS_URL": cache.url})

    result = soak_of(url, jobs).run(SECONDS * 0.2)

    print(f"\nwithout failures: {result}")  # noqa: T201 - the result of a long run
    record_property("soak", str(result))
    assert result.errors == []
    assert result.stale == []
    assert result.writes > 0
    # How many reads were hits depends on the machine; the run prints it.
    wait_for_hit(url)

    Job.objects.update(priority=0)
    Job.objects.filter(pk=jobs["pending"][0]).update(status=JobStatus.PENDING, completed_at=None)
    cache.flush()  # this process announces its writes to another server
    soak = soak_of(url, jobs)
    failing = threading.Thread(target=fail, args=(cache, soak.stop, tmp_path))
    failing.start()

    result = soak.run(SECONDS * 0.6)

    failing.join()
    print(f"\nwhile the server fails: {result}")  # noqa: T201 - as above
    record_property("soak", str(result))
    assert result.errors == []
    assert result.stale == []
    assert result.writes > 0
    wait_for_hit(url)


def wait_for_hit(url: str) -> None:
    """Wait until a list is served from the cache."""
    client = HttpClient(url).sign_in("user")
    path = "/api/v1/jobs/?status=completed"
    wait_until(lambda: client.get(path).headers["X-Cache"] == "HIT", what="hit")


def fail(cache: ValkeyServer, stop: threading.Event, folder: Path) -> None:
    """Freeze, restore, empty and kill the server in turn."""
    while not stop.wait(0.3):
        old = cache.save(folder / "old.rdb")
        stop.wait(0.3)
        cache.freeze()
        stop.wait(0.05)  # shorter than a lease
        cache.thaw()
        stop.wait(0.3)
        cache.restart(old)
        stop.wait(0.8)
        cache.freeze()
        stop.wait(0.7)
        cache.thaw()
        stop.wait(1.3)  # until the cache is trusted again
        cache.flush()
        stop.wait(0.3)
        cache.kill()
        stop.wait(0.5)
        cache.restart()
        stop.wait(1.3)


# SQLite has one writer at a time, which the soak above runs with.
@pytest.mark.postgres
def test_while_writers_are_delayed(web, cache: ValkeyServer, relay_on, jobs, user: User):
    relay_on(cache)
    url = web(workers=2, env={"REDIS_URL": cache.url}, application="tests.cache.slow_app:delayed")

    result = soak_of(url, jobs, database=versions).run(SECONDS * 0.2)

    print(f"\nwhile writers are delayed: {result}")  # noqa: T201 - as above
    assert result.errors == []
    assert result.stale == []


# The soak itself is tested, on one engine.
@pytest.mark.sqlite
def test_detects_writers_that_announce_nothing(web, cache: ValkeyServer, relay_on, jobs, user: User):
    relay_on(cache)
    url = web(workers=2, env={"REDIS_URL": cache.url}, application="tests.cache.slow_app:without_begin")
    soak = soak_of(url, jobs, database=versions)
    watching = threading.Thread(target=stop_at_first_stale, args=(soak,))
    watching.start()

    result = soak.run(60)

    watching.join()
    print(f"\nwithout begin: {result}")  # noqa: T201 - as above
    assert result.errors == []
    assert result.stale != []


def versions() -> dict[str, int]:
    """Return the committed version of each job."""
    try:
        return {str(job): version for job, version in Job.objects.values_list("pk", "priority")}
    finally:
        connection.close()


def stop_at_first_stale(soak: Soak) -> None:
    while not soak.stop.wait(0.05):
        if soak.result.stale:
            soak.stop.set()
