"""A writer that is killed at any instant leaves nothing stale, and holds nobody up for long."""

import signal

import pytest
from rest_framework.test import APIClient

from orchestrator.cache import keys, tags
from orchestrator.models import Job
from tests.cache.assertions import assert_right, outcome, past_the_cache, warm
from tests.cache.writer import KILLED_AT
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer
from tests.servers.web import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="watched")


def paths_of(job: Job) -> tuple[str, ...]:
    return ("/api/v1/jobs/", "/api/v1/jobs/?status=pending", f"/api/v1/jobs/{job.pk}/")


def assert_killed(ended) -> None:
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("step", KILLED_AT)
def test_a_killed_writer_leaves_nothing_stale(step: str, job: Job, as_user: APIClient, script):
    paths = paths_of(job)
    warm(as_user, *paths)

    assert_killed(script("writer", job.pk, 7, step))

    committed = KILLED_AT[step]
    assert Job.objects.get(pk=job.pk).priority == (7 if committed else 0)
    for path in paths:
        wait_until(lambda path=path: right_and_hit(as_user, path), what=f"the next hit of {path}")
    # And the next writer ends what the dead one had begun.
    Job.objects.update(priority=8)
    assert_right(as_user, paths)


def right_and_hit(client: APIClient, path: str) -> bool:
    answer = client.get(path)
    assert answer.content == past_the_cache(client, path), "stale"
    return bool(answer["X-Cache"] == "HIT")


def test_a_writer_that_died_bothers_those_beside_it_no_longer_than_it_lived(
    job: Job, as_user: APIClient, script, valkey: ValkeyServer
):
    assert_killed(script("writer", job.pk, 7, "before end"))
    writers = keys.writers(tags.JOBS)
    wait_until(lambda: not valkey.execute("EXISTS", writers), what="the end of the dead writer's mark")

    warm(as_user, *paths_of(job))


@pytest.mark.parametrize("step", ["before COMMIT", "after COMMIT", "before waiting"])
def test_a_killed_writer_that_had_no_cache_leaves_nothing_stale(
    step: str, job: Job, as_user: APIClient, script
):
    paths = paths_of(job)
    warm(as_user, *paths)

    ended = script("writer", job.pk, 7, step, env={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})

    # Nobody acknowledged it: readers may see the old state until the lease they had is over, and no longer.
    assert_killed(ended)
    warm(as_user, "/api/v1/jobs/counts/")
    for path in paths:
        wait_until(lambda path=path: as_user.get(path).content == past_the_cache(as_user, path))
    assert_right(as_user, paths)


def test_a_write_that_was_acknowledged_without_the_cache_is_seen(job: Job, as_user: APIClient, script):
    paths = paths_of(job)
    for priority in (3, 4):
        warm(as_user, *paths)

        ended = script("writer", job.pk, priority, env={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})

        assert ended.stdout == "acknowledged\n", ended.stderr
        assert as_user.get(paths[-1]).json()["priority"] == priority
        assert_right(as_user, paths)
        assert outcome(as_user, paths[0]) == "HIT"
