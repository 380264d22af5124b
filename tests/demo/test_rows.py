"""The rows of a plan, before they meet a database."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

import pytest

from orchestrator.actions import build_job_event
from orchestrator.choices import ENDED_STATUSES, EVENT_OF_STATUS, TRANSITIONS, JobEvent, JobStatus
from orchestrator.demo.seed_plan import SeedPlan
from orchestrator.models import Event, Job, Task, User

pytestmark = pytest.mark.engine_neutral

UNTIL = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PLAN = SeedPlan(jobs=1000, events=None, tasks=200, users=120, seed=7, until=UNTIL)


def rows_of(plan, model):
    return [row for rows in plan.rows() for row in rows if isinstance(row, model)]


def values(row):
    """The columns of a row, by name."""
    return {name: value for name, value in vars(row).items() if name != "_state"}


def everything(plan):
    return [values(row) for rows in plan.rows() for row in rows]


def timeless(plan):
    """The rows of a plan without ids, and with timestamps as distances to the end of the plan."""
    return [
        {
            name: plan.until - value if isinstance(value, datetime) else value
            for name, value in row.items()
            if name not in {"id", "job_id", "payload", "lease_token", "password"}
        }
        for row in everything(plan)
    ]


@pytest.fixture(scope="module")
def jobs():
    return rows_of(PLAN, Job)


@pytest.fixture(scope="module")
def histories():
    return [(rows[0], rows[1:]) for rows in PLAN.rows() if isinstance(rows[0], Job)]


def test_the_same_plan_has_the_same_rows():
    assert everything(PLAN) == everything(PLAN)


@pytest.mark.slow
def test_rows_do_not_depend_on_the_process():
    code = (
        "import django; django.setup()\n"
        "from tests.demo.test_rows import digest, PLAN\n"  # another hash seed, another order of sets
        "print(digest(PLAN))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == digest(PLAN), done.stderr


def digest(plan):
    return hashlib.sha256(repr(everything(plan)).encode()).hexdigest()


@pytest.mark.parametrize("other", [{"seed": 8}, {"jobs": 1001}])
def test_another_plan_has_other_rows(jobs, other):
    others = rows_of(replace(PLAN, **other), Job)
    assert [job.name for job in others] != [job.name for job in jobs]
    assert not {job.id for job in others} & {job.id for job in jobs}


def test_another_end_moves_the_same_rows():
    later = replace(PLAN, until=UNTIL + timedelta(days=3, hours=5))
    assert everything(later) != everything(PLAN)
    assert timeless(later) == timeless(PLAN)


@pytest.mark.parametrize(
    ("jobs", "events"), [(0, 0), (0, 250), (1, 0), (1, 1), (1, 7), (300, 250), (300, 2_000)]
)
def test_a_plan_has_the_requested_number_of_rows(jobs, events):
    plan = replace(PLAN, jobs=jobs, events=events, users=3, tasks=2)
    assert [len(rows_of(plan, model)) for model in (Job, Event, User, Task)] == [jobs, events, 3, 2]


def test_the_newest_jobs_have_histories_if_there_are_few_events():
    jobs = [rows for rows in replace(PLAN, events=500).rows() if isinstance(rows[0], Job)]
    with_history = [len(rows) > 1 for rows in jobs]
    assert with_history == [False] * (PLAN.jobs - 125) + [True] * 125


def test_other_events_are_of_agents():
    events = rows_of(replace(PLAN, events=20_000), Event)
    assert [event.type for event in events if not event.job_id and event.type in set(JobEvent.values)] == []
    assert sum(1 for event in events if not event.job_id) > 5_000


@pytest.mark.parametrize("events", [None, 0, 20_000])
def test_the_size_is_at_least_the_number_of_rows(events):
    plan = replace(PLAN, events=events)
    rows = len(everything(plan))
    assert rows <= plan.size < 1.3 * rows


def test_ids_are_of_version_7_and_begin_with_the_timestamp():
    rows = [row for group in PLAN.rows() for row in group]
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert (row.id.version, row.id.variant) == (7, RFC_4122)
        assert row.id.int >> 80 == int(row.created_at.timestamp() * 1000)


@pytest.mark.parametrize("model", [Job, Event, Task])
def test_everything_happened_in_the_last_ninety_days(model):
    for row in rows_of(PLAN, model):
        times = [
            value
            for name, value in values(row).items()
            if isinstance(value, datetime) and name not in {"lease_expires_at", "available_at"}
        ]
        assert UNTIL - timedelta(days=90) <= row.created_at == min(times)
        assert max(times) < UNTIL


def test_more_happened_lately(jobs):
    ages = [UNTIL - job.created_at for job in jobs]
    assert sum(age < timedelta(hours=1) for age in ages) > 5
    assert sum(age < timedelta(days=10) for age in ages) > 0.3 * PLAN.jobs


def test_histories_keep_to_the_life_cycle(histories):
    for job, events in histories:
        status, last = None, None
        for event in events:
            assert event.job_id == job.id
            assert event.payload["job_id"] == str(job.id)
            assert event.payload["from"] == status
            assert last is None or last < event.created_at
            status, last = event.payload["to"], event.created_at
            if event.payload["from"] is None:
                assert (event.type, status) == (JobEvent.CREATED, JobStatus.PENDING)
            else:
                assert status in TRANSITIONS[event.payload["from"]]
                assert event.type == EVENT_OF_STATUS[status]
            assert event.payload["by"]
            assert event.payload["reason"] is None or event.payload["reason"]
            assert event.payload["queue"] == job.queue
            of_run = JobStatus.RUNNING in (event.payload["from"], status)
            assert (event.payload["worker"] is not None) == (event.payload["attempt"] is not None) == of_run
        assert status == job.status
        assert last == job.updated_at
        assert events[0].created_at == job.created_at


def test_jobs_are_as_their_histories_left_them(histories):
    for job, events in histories:
        starts = [event.created_at for event in events if event.type == JobEvent.STARTED]
        running, pending = job.status == JobStatus.RUNNING, job.status == JobStatus.PENDING
        started = bool(starts) and not pending
        assert job.started_at == (starts[-1] if started else None)
        assert (job.worker is not None) == started
        assert job.completed_at == (events[-1].created_at if job.status in ENDED_STATUSES else None)
        assert (job.lease_token is not None) == running == (job.lease_expires_at is not None)
        assert not running or timedelta(minutes=9) <= job.lease_expires_at - UNTIL <= timedelta(minutes=10)
        assert job.attempts == sum("ran out" in (event.payload["reason"] or "") for event in events)
        assert job.attempts < job.max_attempts or job.status == JobStatus.FAILED
        if started:
            assert job.worker == events[-1].payload["worker"]
            assert job.progress == (events[-1].payload["progress"] if not running else job.progress)
        requeues = [event.created_at for event in events if event.type == JobEvent.REQUEUED]
        assert job.due == (pending and job.available_at <= UNTIL)
        assert pending or job.available_at == (requeues[-1] if requeues else job.created_at)
        assert (job.result is not None) == (job.status == JobStatus.COMPLETED)
        assert job.progress is None or (started and 0 <= job.progress <= 100)


def test_some_pending_jobs_wait_for_a_time(jobs):
    waits = [job.available_at - UNTIL for job in jobs if job.status == "pending" and not job.due]
    assert waits
    assert timedelta(0) < min(waits) < timedelta(hours=1) < max(waits) < timedelta(hours=10)


def test_some_jobs_failed_because_their_workers_were_lost():
    lost = [job for job in rows_of(replace(PLAN, jobs=5000), Job) if job.attempts == job.max_attempts]
    assert {job.status for job in lost} == {"failed"}


def test_an_event_has_the_members_of_one_that_the_service_writes(histories):
    job, events = histories[0]
    written = build_job_event(job, JobEvent.CREATED, by="ada", previous=None, to=JobStatus.PENDING)
    assert [*events[0].payload] == [*written.payload]


def test_jobs_are_in_several_queues_of_the_demo_and_some_report_progress(jobs):
    queues = Counter(job.queue for job in jobs)
    assert len(queues) > 4
    assert all(queue.startswith("demo-") for queue in queues)
    assert queues["demo-general"] > 0.2 * PLAN.jobs
    reported = {job.progress for job in jobs if job.status == "running"}
    assert {None} < reported


def test_most_jobs_completed_and_few_are_open(jobs):
    shares = Counter(job.status for job in jobs)
    assert shares.keys() == set(JobStatus.values)
    assert shares[JobStatus.COMPLETED] > 0.8 * PLAN.jobs
    assert shares[JobStatus.RUNNING] < shares[JobStatus.PENDING] < 0.04 * PLAN.jobs
    newest = {job.id for job in jobs[-PLAN.jobs // 10 :]}
    assert {job.id for job in jobs if job.status in ("pending", "running")} <= newest


def test_priorities_are_skewed(jobs):
    priorities = Counter(job.priority for job in jobs)
    assert priorities.most_common(1)[0][0] == 0
    assert priorities[20] < 0.1 * PLAN.jobs
    assert max(priorities) > 50
    assert min(priorities) == -10


def test_no_field_is_left_in_a_text(jobs):
    texts = [job.name for job in jobs] + [task.title for task in rows_of(PLAN, Task)]
    assert [text for text in texts if "{" in text] == []


def test_users_are_of_every_role_and_none_can_sign_in():
    users = rows_of(PLAN, User)
    assert {user.role for user in users[:3]} == {"admin", "user", "moderator"}
    assert len({user.username for user in users}) == len({user.email for user in users}) == PLAN.users
    assert not any(user.has_usable_password() for user in users)
    assert all(user.email.endswith("@example.com") for user in users)
    assert any(not user.active for user in users)


def test_histories_name_existing_users(histories):
    known = {user.username for user in rows_of(PLAN, User)} | {"system"}
    assert {event.payload["by"] for _, events in histories for event in events} <= known


def test_more_users_than_names_have_different_names():
    users = rows_of(SeedPlan(jobs=0, events=0, tasks=0, users=12_000, seed=1, until=UNTIL), User)
    assert len({user.username for user in users}) == len({user.email for user in users}) == 12_000


def test_no_user_has_a_name_that_is_taken():
    taken = {"ines.carvalho", "planner-agent"}
    users = [rows[0].username for rows in replace(PLAN, jobs=0, tasks=0).rows(taken) if len(rows) == 1]
    assert len(users) == PLAN.users
    assert not taken & set(users)


def test_some_tasks_were_edited():
    tasks = rows_of(PLAN, Task)
    edited = [task for task in tasks if task.version > 1]
    assert 0.2 * PLAN.tasks < len(edited) < 0.8 * PLAN.tasks
    for task in tasks:
        assert (task.updated_at > task.created_at) == (task.version > 1)
