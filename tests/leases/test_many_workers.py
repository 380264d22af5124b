"""Workers that claim at the same time: every job has one owner, the counts are exact, no list is stale."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from django.db import connections
from rest_framework.test import APIClient

from orchestrator import counts
from orchestrator.leases.claim import claim as claim_jobs
from orchestrator.leases.expiry import requeue_expired
from orchestrator.models import Event, Job
from tests.cache.assertions import cache_status, uncached_body, warm
from tests.leases.worker_calls import JOBS, beat, claim_one, let_lease_run_out, report, submit

pytestmark = pytest.mark.django_db(transaction=True)

JOBS_IN_ALL = 120
QUEUES = ("a", "b", "c")


@pytest.fixture
def jobs() -> None:
    Job.objects.bulk_create(
        Job(name=str(number), queue=QUEUES[number % len(QUEUES)], priority=number % 5)
        for number in range(JOBS_IN_ALL)
    )


def assert_each_job_has_one_owner(owners: list[tuple[str, str]]) -> None:
    assert len(owners) == JOBS_IN_ALL
    assert {job: number for job, number in Counter(job for _, job in owners).items() if number > 1} == {}
    stored = {(worker, str(job)) for worker, job in Job.objects.values_list("worker", "id")}
    assert stored == set(owners)
    assert len(set(Job.objects.values_list("lease_token", flat=True))) == JOBS_IN_ALL
    started = Event.objects.filter(type="job_started").values_list("job_id", "payload")
    assert {(payload["worker"], str(job_id)) for job_id, payload in started} == stored
    assert len(started) == JOBS_IN_ALL
    assert counts.jobs_by_status() == dict.fromkeys(counts.jobs_by_status(), 0) | {"running": JOBS_IN_ALL}


@pytest.mark.postgres
@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("queues", [None, QUEUES], ids=["all queues", "named queues"])
def test_threads_never_share_a_job(queues: tuple[str, ...] | None) -> None:
    owners: list[tuple[str, str]] = []
    start = Barrier(8)

    def work(worker: str) -> None:
        start.wait()
        while taken := claim_jobs(worker, by="user", queues=queues, limit=3):
            owners.extend((worker, str(job.pk)) for job in taken)
        connections.close_all()

    threads = [Thread(target=work, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_each_job_has_one_owner(owners)


@pytest.mark.slow
@pytest.mark.usefixtures("jobs")
def test_processes_never_share_a_job(database_url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": database_url}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.leases.claimer", f"w{number}"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3
    assert_each_job_has_one_owner(
        [(f"w{number}", line) for number, output in enumerate(outputs) for line in output.split()]
    )


@pytest.mark.usefixtures("long_lease")
def test_no_list_is_stale_after_a_claim_a_heartbeat_a_report_or_an_expiry(as_user: APIClient) -> None:
    job = submit(as_user)
    submit(as_user)
    paths = (
        JOBS,
        f"{JOBS}?status=pending",
        f"{JOBS}?status=running",
        f"{JOBS}?worker=w1",
        f"{JOBS}counts/",
        f"{JOBS}{job['id']}/",
        f"{JOBS}{job['id']}/events/",
        "/api/v1/events/recent/",
    )

    def changes(change: Callable[[], object], *unchanged: str) -> None:
        before = warm(as_user, *paths)
        change()
        for path in paths:
            assert as_user.get(path).content == uncached_body(as_user, path), path
            if path not in unchanged:
                assert as_user.get(path).content != before[path], path
            assert cache_status(as_user, path) == "HIT"

    leased = {}
    changes(lambda: leased.update(claim_one(as_user, "w1")))
    changes(
        lambda: beat(as_user, leased, lease_seconds=3600, progress=50),
        f"{JOBS}?status=pending",
        f"{JOBS}counts/",
    )
    let_lease_run_out(leased["id"])
    changes(requeue_expired)
    Job.objects.exclude(pk=leased["id"]).delete()
    Job.objects.update(available_at="2026-01-01T00:00Z")
    leased = claim_one(as_user, "w1")
    changes(lambda: report(as_user, leased, "completed"), f"{JOBS}?status=pending")
