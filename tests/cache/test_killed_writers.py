"""A writer that is killed at any step leaves no stale response, and its tags are cached again soon."""

import signal

import pytest
from rest_framework.test import APIClient

from orchestrator.cache import keys, tags
from orchestrator.models import Job
from tests.cache.assertions import assert_current, cache_status, uncached_body, warm
from tests.cache.writer import STEPS
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer
from tests.servers.web import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="a job")


def paths_of(job: Job) -> tuple[str, ...]:
    return ("/api/v1/jobs/", "/api/v1/jobs/?status=pending", f"/api/v1/jobs/{job.pk}/")


def assert_killed(ended) -> None:
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_writer_leaves_no_stale_response(step: str, job: Job, as_user: APIClient, script):
    paths = paths_of(job)
    warm(as_user, *paths)

    assert_killed(script("writer", job.pk, 7, step))

    committed = STEPS[step]
    assert Job.objects.get(pk=job.pk).priority == (7 if committed else 0)
    for path in paths:
        wait_until(lambda path=path: is_current_hit(as_user, path), what=f"the next hit of {path}")
    # The next writer ends what the dead one has begun.
    Job.objects.update(priority=8)
    assert_current(as_user, paths)


def is_current_hit(client: APIClient, path: str) -> bool:
    response = client.get(path)
    assert response.content == uncached_body(client, path), "stale"
    return bool(response["X-Cache"] == "HIT")


def test_readers_end_what_a_dead_writer_has_begun(job: Job, as_user: APIClient, script, valkey: ValkeyServer):
    assert_killed(script("writer", job.pk, 7, "before end"))
    writers = keys.writers(tags.JOBS)
    assert valkey.execute("EXISTS", writers)

    warm(as_user, *paths_of(job))

    assert not valkey.execute("EXISTS", writers)


@pytest.mark.parametrize("step", ["before COMMIT", "after COMMIT", "before waiting"])
def test_a_writer_killed_without_a_cache_leaves_no_stale_response(
    step: str, job: Job, as_user: APIClient, script
):
    paths = paths_of(job)
    warm(as_user, *paths)

    ended = script("writer", job.pk, 7, step, env={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})

    # It was not acknowledged: readers may see the old state until their lease has expired.
    assert_killed(ended)
    warm(as_user, "/api/v1/jobs/counts/")
    for path in paths:
        wait_until(lambda path=path: as_user.get(path).content == uncached_body(as_user, path))
    assert_current(as_user, paths)


def test_a_write_that_was_acknowledged_without_the_cache_is_seen(job: Job, as_user: APIClient, script):
    paths = paths_of(job)
    warm(as_user, *paths)

    ended = script("writer", job.pk, 3, env={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})

    assert ended.stdout == "acknowledged\n", ended.stderr
    assert as_user.get(paths[-1]).json()["priority"] == 3
    assert_current(as_user, paths)
    assert cache_status(as_user, paths[0]) == "HIT"
