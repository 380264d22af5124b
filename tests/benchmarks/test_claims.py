"""The queues of the benchmarks of claims, and their client. The figures are not tested."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from benchmarks import claim_client
from benchmarks.pending_jobs import replace_pending, top_up_pending
from orchestrator import counts
from orchestrator.choices import JobStatus
from orchestrator.demo.bulk_load import analyze
from orchestrator.leases.claim import claim
from orchestrator.models import Job
from tests.benchmarks.test_scaling import schema
from tests.users import PASSWORD, make_user, sign_in


def test_pending_jobs_are_replaced_and_the_schema_is_restored(transactional_db) -> None:
    Job.objects.create(name="old")
    ended = Job.objects.create(name="ended", status=JobStatus.CANCELLED, completed_at=timezone.now())
    analyze(connection)  # makes tables of its own on SQLite
    before = schema()

    replace_pending(6, 4, priorities=3, queues=2)

    assert schema() == before
    pending = Job.objects.filter(status=JobStatus.PENDING)
    assert set(pending.values_list("name", flat=True)) == {"pending"}
    assert list(Job.objects.exclude(status=JobStatus.PENDING)) == [ended]
    assert counts.jobs_by_status()["pending"] == 10
    due = pending.filter(due=True).order_by("created_at")
    assert [(job.priority, job.queue) for job in due] == [
        (number % 3, f"queue-{number % 2}") for number in range(1, 7)
    ]
    assert [job.pk for job in due] == sorted(job.pk for job in due)
    tomorrow = timezone.now() + timedelta(hours=23)
    assert pending.filter(due=False, available_at__gt=tomorrow).count() == 4
    claimed = claim("worker", by="bench", limit=100)
    assert [job.priority for job in claimed] == [2, 2, 1, 1, 0, 0]


def test_the_queue_is_filled_up(transactional_db) -> None:
    Job.objects.create(name="old")
    top_up_pending(5)
    top_up_pending(5)
    assert counts.jobs_by_status()["pending"] == 5


@pytest.mark.sqlite
def test_workers_claim_and_complete(web, transactional_db) -> None:
    user = make_user("bench")
    token = sign_in(user, PASSWORD)._credentials["HTTP_AUTHORIZATION"]  # noqa: SLF001
    _, host, port = web(workers=1).replace("//", "").split(":")
    spec = {"host": host, "port": int(port), "token": token.removeprefix("Bearer "), "workers": 2, "limit": 2}
    top_up_pending(500)

    result = claim_client.measure({**spec, "complete": True, "seconds": 0.2})

    assert result["jobs"] == Job.objects.filter(status=JobStatus.COMPLETED).count() > 0
    with pytest.raises(RuntimeError, match="no job is left"):
        claim_client.measure({**spec, "complete": False, "seconds": 60})
