"""The rows of a plan, before they meet a database."""

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import orjson
import pytest

from orchestrator.choices import ENDED_STATUSES, EVENT_OF_STATUS, TRANSITIONS, JobEvent, JobStatus
from orchestrator.demo.seed_plan import BATCH_ROWS, SeedPlan

pytestmark = pytest.mark.engine_neutral

UNTIL = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PLAN = SeedPlan(jobs=3000, events=None, tasks=200, users=120, seed=7, until=UNTIL)
TIMES = {
    "created_at",
    "updated_at",
    "available_at",
    "started_at",
    "completed_at",
    "lease_expires_at",
    "last_login",
}


def rows_of(plan):
    tables = defaultdict(list)
    for batch in plan.batches():
        for rows in batch.tables:
            tables[rows.table] += [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    return tables


def timestamp(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def timeless(plan, rows):
    """Return rows without ids, and with timestamps as distances to the end of the plan."""
    return [
        {
            name: (plan.until - timestamp(value) if name in TIMES and value else value)
            for name, value in row.items()
            if name not in {"id", "job_id", "payload", "lease_token"}
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def tables():
    return rows_of(PLAN)


@pytest.fixture(scope="module")
def histories(tables):
    events = defaultdict(list)
    for event in tables["events"]:
        if event["job_id"]:
            events[event["job_id"]].append(event)
    return [(job, events[job["id"]]) for job in tables["jobs"]]


def test_the_same_plan_has_the_same_rows(tables):
    assert rows_of(PLAN) == tables


@pytest.mark.slow
def test_rows_do_not_depend_on_the_process():
    code = (
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
    return hashlib.sha256(orjson.dumps(rows_of(plan))).hexdigest()


def test_another_seed_has_other_rows(tables):
    other = rows_of(replace(PLAN, seed=8))
    assert [job["name"] for job in other["jobs"]] != [job["name"] for job in tables["jobs"]]
    assert not {job["id"] for job in other["jobs"]} & {job["id"] for job in tables["jobs"]}


def test_another_end_moves_the_same_rows(tables):
    later = replace(PLAN, until=UNTIL + timedelta(days=3, hours=5))
    moved = rows_of(later)
    assert moved != tables
    for table, rows in tables.items():
        assert timeless(later, moved[table]) == timeless(PLAN, rows)


def test_another_series_shares_no_id_and_no_name(tables):
    again = rows_of(replace(PLAN, series=1))
    for table, rows in tables.items():
        assert not {row["id"] for row in again[table]} & {row["id"] for row in rows}
    for column in ("username", "email"):
        assert not {user[column] for user in again["users"]} & {user[column] for user in tables["users"]}


def test_tables_do_not_depend_on_each_others_size(tables):
    alone = rows_of(replace(PLAN, events=0, tasks=0, users=0))
    assert alone["jobs"] == tables["jobs"]
    assert rows_of(replace(PLAN, jobs=0, users=0))["tasks"] == tables["tasks"]


@pytest.mark.parametrize(
    ("jobs", "events"),
    [(0, 0), (0, 250), (1, 1), (300, 250), (300, 2_000), (BATCH_ROWS + 1, 0), (BATCH_ROWS + 1, 30_000)],
)
@pytest.mark.slow
def test_a_plan_has_the_requested_number_of_rows(jobs, events):
    tables = rows_of(replace(PLAN, jobs=jobs, events=events, users=3, tasks=2))
    assert [len(tables[name]) for name in ("jobs", "events", "users", "tasks")] == [jobs, events, 3, 2]


def test_few_events_are_those_of_the_newest_jobs(tables):
    few = rows_of(replace(PLAN, events=500))["events"]
    assert few == [event for event in tables["events"] if event["job_id"]][-500:]


def test_many_events_are_filled_up_by_agents(tables):
    many = rows_of(replace(PLAN, events=20_000))["events"]
    histories = [event for event in tables["events"] if event["job_id"]]
    assert [event for event in many if event["job_id"]] == histories
    assert not {event["type"] for event in many if not event["job_id"]} & set(JobEvent.values)


def test_batches_count_their_share_of_the_entries():
    plan = replace(PLAN, jobs=6_000, events=30_000)
    batches = [(batch.entries, sum(len(rows.rows) for rows in batch.tables)) for batch in plan.batches()]
    assert sum(entries for entries, _ in batches) == plan.entries
    assert max(rows for _, rows in batches) < 6 * BATCH_ROWS


def test_ids_are_of_version_7_and_begin_with_the_timestamp(tables):
    rows = [row for table in tables.values() for row in table]
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        uuid = UUID(row["id"])
        assert (uuid.version, uuid.variant) == (7, RFC_4122)
        assert uuid.int >> 80 == int(timestamp(row["created_at"]).timestamp() * 1000)


def test_everything_happened_in_the_last_ninety_days(tables):
    for table in ("jobs", "events", "tasks"):
        for row in tables[table]:
            times = [timestamp(row[name]) for name in TIMES - {"lease_expires_at"} if row.get(name)]
            assert UNTIL - timedelta(days=90) <= timestamp(row["created_at"]) == min(times)
            assert max(times) < UNTIL


def test_histories_keep_to_the_life_cycle(histories):
    for job, events in histories:
        status, last = None, None
        for event in events:
            payload = orjson.loads(event["payload"])
            assert UUID(payload["job_id"]).hex == job["id"]
            assert payload["from"] == status
            assert last is None or last < event["created_at"]
            status, last = payload["to"], event["created_at"]
            if event["type"] == JobEvent.CREATED:
                assert (payload["from"], status) == (None, JobStatus.PENDING)
            elif event["type"] == JobEvent.UPDATED:
                assert payload["from"] == status
                assert payload["fields"] == ["priority"]
            else:
                assert status in TRANSITIONS[JobStatus(payload["from"])]
                assert event["type"] == EVENT_OF_STATUS[JobStatus(status)]
            assert payload["by"]
            assert payload["reason"] is None or payload["reason"]
        assert status == job["status"]
        assert last == job["updated_at"]
        assert events[0]["created_at"] == job["created_at"]


def test_jobs_are_as_their_histories_left_them(histories):
    for job, events in histories:
        starts = [event["created_at"] for event in events if event["type"] == JobEvent.STARTED]
        running, pending = job["status"] == JobStatus.RUNNING, job["status"] == JobStatus.PENDING
        started = bool(starts) and not pending
        assert job["started_at"] == (starts[-1] if started else None)
        assert (job["worker"] is not None) == started
        assert job["completed_at"] == (events[-1]["created_at"] if job["status"] in ENDED_STATUSES else None)
        assert (job["lease_token"] is not None) == running == (job["lease_expires_at"] is not None)
        assert not running or timestamp(job["lease_expires_at"]) > UNTIL + timedelta(minutes=15)
        assert 0 <= job["attempts"] <= job["max_attempts"]
        assert job["attempts"] < job["max_attempts"] or job["status"] == JobStatus.FAILED
        requeues = [event["created_at"] for event in events if event["type"] == JobEvent.REQUEUED]
        assert job["available_at"] == (requeues[-1] if requeues else job["created_at"])
        assert (job["result"] is not None) == (job["status"] == JobStatus.COMPLETED)
        assert job["progress"] is None or (started and 0 <= job["progress"] <= 100)


def test_jobs_are_in_several_queues_and_some_report_progress(tables):
    queues = Counter(job["queue"] for job in tables["jobs"])
    assert len(queues) > 4
    assert queues["default"] > 0.2 * PLAN.jobs
    assert all(isinstance(orjson.loads(job["result"]), dict) for job in tables["jobs"] if job["result"])
    reported = [job["progress"] for job in tables["jobs"] if job["status"] == "running"]
    assert {None} < set(reported)


def test_most_jobs_completed_and_few_are_open(tables):
    shares = Counter(job["status"] for job in tables["jobs"])
    assert shares.keys() == set(JobStatus.values)
    assert shares[JobStatus.COMPLETED] > 0.8 * PLAN.jobs
    assert shares[JobStatus.RUNNING] < shares[JobStatus.PENDING] < 0.04 * PLAN.jobs
    newest = {job["id"] for job in tables["jobs"][-PLAN.jobs // 10 :]}
    assert {job["id"] for job in tables["jobs"] if job["status"] in ("pending", "running")} <= newest


def test_priorities_are_skewed_and_values_fit_their_columns(tables):
    priorities = Counter(job["priority"] for job in tables["jobs"])
    assert priorities.most_common(1)[0][0] == 0
    assert priorities[100] < 0.01 * PLAN.jobs
    for job in tables["jobs"]:
        assert 1 <= len(job["name"]) <= 255
        assert len(job["description"]) <= 1024
        metadata = orjson.loads(job["metadata"])
        assert isinstance(metadata, dict)
        assert "\0" not in job["name"] + job["metadata"]


def test_users_are_of_every_role_and_none_can_sign_in(tables):
    users = tables["users"]
    assert {user["role"] for user in users[:3]} == {"admin", "user", "moderator"}
    assert len({user["username"] for user in users}) == len({user["email"] for user in users}) == PLAN.users
    assert all(user["password"].startswith("!") for user in users)
    assert all(user["email"].endswith("@example.com") and user["email"].isascii() for user in users)
    assert any(not user["active"] for user in users)


def test_histories_name_existing_users(tables):
    known = {user["username"] for user in tables["users"]} | {"system"}
    by = {orjson.loads(event["payload"])["by"] for event in tables["events"] if event["job_id"]}
    assert by <= known


def test_more_users_than_names_have_different_names():
    users = rows_of(SeedPlan(jobs=0, events=0, tasks=0, users=12_000, seed=1, until=UNTIL))["users"]
    assert len({user["username"] for user in users}) == len({user["email"] for user in users}) == 12_000


def test_some_tasks_were_edited(tables):
    edited = [task for task in tables["tasks"] if task["version"] > 1]
    assert 0.2 * PLAN.tasks < len(edited) < 0.8 * PLAN.tasks
    for task in tables["tasks"]:
        assert (task["updated_at"] > task["created_at"]) == (task["version"] > 1)
