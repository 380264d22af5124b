"""What clients and workers do over the API, with the responses they expect."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.models import Job

JOBS = "/api/v1/jobs/"

Row = dict[str, Any]


def submit(client: APIClient, **fields: Any) -> Row:
    response = client.post(JOBS, {"name": "a job", **fields})
    assert response.status_code == 201, response.content
    return dict(response.json())


def claim(client: APIClient, worker: str = "w1", **fields: Any) -> list[Row]:
    response = client.post(f"{JOBS}claim/", {"worker": worker, **fields})
    assert response.status_code == 200, response.content
    assert list(response.json()) == ["jobs"]
    return list(response.json()["jobs"])


def claim_one(client: APIClient, worker: str = "w1", **fields: Any) -> Row:
    (job,) = claim(client, worker, **fields)
    return job


def beat(client: APIClient, job: Row, **fields: Any) -> Any:
    return client.post(f"{JOBS}{job['id']}/heartbeat/", {"lease_token": job["lease_token"], **fields})


def report(client: APIClient, job: Row, status: str, **fields: Any) -> Any:
    body = {"status": status, "lease_token": job["lease_token"], **fields}
    return client.put(f"{JOBS}{job['id']}/status/", body)


def set_status(client: APIClient, job: Row, status: str, **fields: Any) -> Any:
    """Change the status as an operator does, without a token."""
    return client.put(f"{JOBS}{job['id']}/status/", {"status": status, **fields})


def read(client: APIClient, job: Row) -> Row:
    return dict(client.get(f"{JOBS}{job['id']}/").json())


def history(client: APIClient, job: Row) -> list[Row]:
    """Return the job's events, oldest first."""
    return list(reversed(client.get(f"{JOBS}{job['id']}/events/").json()["results"]))


def names(jobs: list[Row]) -> list[str]:
    return [job["name"] for job in jobs]


def let_lease_run_out(job_id: UUID | str) -> None:
    Job.objects.filter(pk=job_id).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def let_time_come(job_id: UUID | str) -> None:
    """Put a job's ``available_at`` into the past."""
    Job.objects.filter(pk=job_id).update(available_at=timezone.now() - timedelta(seconds=1))
