"""A job under every sequence of claims, heartbeats, reports, expiries and operators' changes.

Hypothesis runs random sequences over the API and compares the job with a small model of it after every step.
"""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestrator import counts
from orchestrator.choices import EVENT_OF_STATUS, TRANSITIONS, Role
from orchestrator.leases.expiry import requeue_expired
from orchestrator.models import Event, Job, User
from tests.leases.worker_calls import (
    JOBS,
    beat,
    claim,
    history,
    let_lease_run_out,
    read,
    report,
    set_status,
    submit,
)
from tests.users import client_for, make_user

if TYPE_CHECKING:
    from rest_framework.test import APIClient

MAX_ATTEMPTS = 2
STATUSES = st.sampled_from([*TRANSITIONS])
WITHOUT_TRANSITION = {"job_progress", "job_updated", "job_deleted"}


class OneJob(RuleBasedStateMachine):
    """The job, and what it has to be."""

    def __init__(self) -> None:
        super().__init__()
        self.client: APIClient = client_for(make_user("operator", Role.MODERATOR))
        self.row = submit(self.client, max_attempts=MAX_ATTEMPTS)
        #: Every token that the job has had, the current one last, each with the job's id.
        self.leases: list[dict[str, Any]] = []
        self.status, self.attempts, self.progress = "pending", 0, None
        #: Whether the last token is the job's, whether it may be extended, and whether the time has come.
        self.has_token = self.has_lease = False
        self.is_available, self.exists = True, True
        self.transitions = 0

    # --- The model ------------------------------------------------------------------------------------------

    def become(self, status: str, *, attempts: int = 0, keeps_token: bool = False) -> None:
        if status == "pending":
            self.attempts, self.progress = attempts, None
        self.status, self.has_lease, self.has_token = status, False, keeps_token
        self.transitions += 1

    # --- Workers --------------------------------------------------------------------------------------------

    @rule()
    def claimed(self):
        taken = claim(self.client, "w1", limit=3)
        if self.exists and self.status == "pending" and self.is_available:
            (job,) = taken
            assert job["lease_token"] not in [lease["lease_token"] for lease in self.leases]
            self.leases.append({"id": job["id"], "lease_token": job["lease_token"]})
            self.become("running", keeps_token=True)
            self.has_lease = True
        else:
            assert taken == []

    @precondition(lambda self: self.leases)
    @rule(progress=st.sampled_from([None, 0, 50]))
    def heartbeat_of_the_last_lease(self, progress: int | None):
        response = beat(self.client, self.leases[-1], progress=progress)
        if not self.exists:
            assert response.status_code == 404
        elif self.has_lease:
            assert response.status_code == 200
            self.progress = self.progress if progress is None else progress
        else:
            assert (response.status_code, response.json()["status"]) == (409, self.status)

    @precondition(lambda self: self.leases)
    @rule(status=STATUSES)
    def report_of_the_last_lease(self, status: str):
        response = report(self.client, self.leases[-1], status)
        if not self.exists:
            assert response.status_code == 404
        elif not self.has_token:
            assert response.status_code == 409
        elif status != self.status and status not in TRANSITIONS[self.status]:
            assert (response.status_code, response.json()["status"]) == (409, self.status)
        else:
            assert response.status_code == 200
            if status != self.status:
                attempts = self.attempts if self.status == "running" else 0
                self.become(status, attempts=attempts, keeps_token=status in {"completed", "failed"})

    @precondition(lambda self: self.leases[1:])
    @rule(status=STATUSES, number=st.integers(0, 20))
    def report_and_heartbeat_of_an_old_lease(self, status: str, number: int):
        old = self.leases[number % (len(self.leases) - 1)]
        for response in (report(self.client, old, status), beat(self.client, old, progress=9)):
            assert response.status_code == (409 if self.exists else 404)

    # --- Time -----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.has_lease)
    @rule()
    def lease_runs_out(self):
        let_lease_run_out(self.row["id"])
        done = requeue_expired()
        if self.attempts + 1 >= MAX_ATTEMPTS:
            assert (done.requeued, done.failed) == (0, 1)
            self.become("failed")
            self.attempts += 1
        else:
            assert (done.requeued, done.failed) == (1, 0)
            self.become("pending", attempts=self.attempts + 1)
            self.is_available = False  # until the back-off is over

    @rule()
    def nothing_has_run_out(self):
        done = requeue_expired()
        assert (done.requeued, done.failed) == (0, 0)

    @precondition(lambda self: self.exists)
    @rule(in_hours=st.sampled_from([-1, 1]))
    def rescheduled(self, in_hours: int):
        at = (timezone.now() + timedelta(hours=in_hours)).isoformat()
        assert self.client.patch(f"{JOBS}{self.row['id']}/", {"available_at": at}).status_code == 200
        self.is_available = in_hours < 0

    # --- Operators ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.exists)
    @rule(status=STATUSES)
    def changed_by_an_operator(self, status: str):
        response = set_status(self.client, self.row, status)
        if status == self.status:
            assert response.status_code == 200
        elif status in TRANSITIONS[self.status]:
            assert response.status_code == 200
            self.become(status, attempts=self.attempts if self.status == "running" else 0)
        else:
            assert response.status_code == 409

    @precondition(lambda self: self.exists and self.transitions > 4)
    @rule()
    def deleted(self):
        assert self.client.delete(f"{JOBS}{self.row['id']}/").status_code == 204
        self.exists = self.has_lease = False

    # --- What always holds ----------------------------------------------------------------------------------

    @invariant()
    def the_job_is_as_the_model(self):
        if not self.exists:
            assert not Job.objects.exists()
            return
        job, stored = read(self.client, self.row), Job.objects.get()
        assert (job["status"], job["attempts"], job["progress"]) == (
            self.status,
            self.attempts,
            self.progress,
        )
        assert (job["lease_expires_at"] is not None) == self.has_lease
        assert (stored.lease_token is not None) == self.has_token
        if self.has_token:
            assert str(stored.lease_token) == self.leases[-1]["lease_token"]

    @invariant()
    def the_counts_are_exact(self):
        expected = {self.status: 1} if self.exists else {}
        assert counts.jobs_by_status() == dict.fromkeys(counts.jobs_by_status(), 0) | expected

    @invariant()
    def the_history_is_a_walk_through_the_life_cycle(self):
        events = history(self.client, self.row)
        walk = [event for event in events if event["type"] not in WITHOUT_TRANSITION]
        assert walk[0]["type"] == "job_created"
        assert len(walk) == self.transitions + 1
        status = None
        for event in walk:
            payload = event["payload"]
            assert payload["from"] == status
            if status is not None:
                assert payload["to"] in TRANSITIONS[status]
                assert event["type"] == EVENT_OF_STATUS[payload["to"]]
            status = payload["to"]
            is_attempt = "running" in {payload["from"], payload["to"]}
            assert (payload["attempt"] is not None) == is_attempt
        assert status == self.status

    def teardown(self):
        for model in (Job, Event, User):
            model.objects.all().delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_a_job_does_what_its_model_does() -> None:
    examples = int(os.environ.get("HYPOTHESIS_EXAMPLES", "12"))
    run_state_machine_as_test(
        OneJob,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
