"""Bulk changes and exports: previews, batches that follow the life cycle, events, progress, permissions."""

import csv
import io
import json
import re
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.utils import timezone

from monitoring.models import BackgroundTask
from orchestrator import actions, background, counts
from orchestrator.choices import JobStatus, Role
from orchestrator.console import bulk_operations, bulk_runs
from orchestrator.console.models import BulkChange
from orchestrator.listing import Selection, bounded_scan
from orchestrator.lists.jobs import JOBS as JOBS_LIST
from orchestrator.models import Event, Job, Task, User
from tests.users import make_user, sign_in

JOBS = "/admin/orchestrator/job/"
TASKS, USERS, EVENTS = (f"/admin/orchestrator/{name}/" for name in ("task", "user", "event"))
#: From a new job to each status.
STEPS = {
    "pending": [],
    "running": ["running"],
    "completed": ["running", "completed"],
    "failed": ["running", "failed"],
    "cancelled": ["cancelled"],
}


def make(number, status="pending", **fields):
    made = [actions.create_job(by="ada", name=f"{status} {n}", **fields) for n in range(number)]
    for job in made:
        for step in STEPS[status]:
            actions.change_status(job.pk, JobStatus(step), by="w")
    return made


def prepare(client, action, rows=None, query="", page=JOBS):
    fields = {"action": action, "index": "0"}
    fields |= {"select_across": "1"} if rows is None else {"_selected_action": [str(row.pk) for row in rows]}
    response = client.post(f"{page}?{query}", fields)
    assert response.status_code == 302, response.content
    return response["Location"]


def step(client, page):
    assert client.post(f"{page}step/").status_code == 302
    return BulkChange.objects.get(pk=int(page.rstrip("/").rpartition("/")[2]))


def run(client, page, **fields):
    assert client.post(f"{page}start/", fields).status_code == 302
    while (change := step(client, page)).state == "running":
        pass
    return change


def operation(action, **fields):
    return bulk_operations.operation_of(BulkChange(action=action, by="ada", **fields))


def numbers():
    return {status: number for status, number in counts.jobs_by_status().items() if number}


@pytest.mark.django_db
@pytest.mark.parametrize(("action", "to"), [("retry", JobStatus.PENDING), ("cancel", JobStatus.CANCELLED)])
def test_a_batch_equals_single_changes(action, to):
    pairs = [(make(1, status)[0], make(1, status)[0]) for status in STEPS]
    leased = {"worker": "w", "lease_token": uuid4(), "lease_expires_at": timezone.now()}
    Job.objects.filter(started_at__isnull=False).update(attempts=2, progress=5, **leased)
    assert bulk_operations.run_batch(operation(action, reason="Why"), Job, [b.pk for _, b in pairs])
    for alone, together in pairs:
        alone.refresh_from_db()
        if to in alone.allowed_statuses:
            actions.change_status(alone.pk, to, by="ada", reason="Why")
        rows = Job.objects.in_bulk([alone.pk, together.pk])
        said = [
            list(Event.objects.of_job(job.pk).values_list("type", "payload")) for job in (alone, together)
        ]
        for history in said:
            for _, payload in history:
                del payload["job_id"]
        assert said[0] == said[1]
        left, right = rows[alone.pk], rows[together.pk]
        for name in ("status", "attempts", "worker", "progress", "due", "lease_token", "lease_expires_at"):
            assert getattr(left, name) == getattr(right, name)
        for name in ("started_at", "completed_at"):
            assert (getattr(left, name) is None) == (getattr(right, name) is None)


@pytest.mark.django_db
def test_a_batch_runs_few_statements_at_any_size(django_assert_max_num_queries):
    for size in (2, 100):
        make(size)
        with django_assert_max_num_queries(9):
            jobs = [job.pk for job in Job.objects.filter(status="pending")]
            assert bulk_operations.run_batch(operation("cancel"), Job, jobs) == size


@pytest.mark.django_db
def test_a_batch_changes_only_rows_that_need_the_change():
    jobs = [job.pk for job in make(3) + make(1, "running")]
    change = operation("priority", priority=7, reason="Urgent")
    assert [bulk_operations.run_batch(change, Job, jobs) for _ in range(2)] == [3, 0]
    assert sorted(Job.objects.values_list("priority", flat=True)) == [0, 7, 7, 7]
    event = Event.objects.filter(type="job_updated")[0]
    assert (event.payload["fields"], event.payload["reason"]) == (["priority"], "Urgent")


def test_only_eligible_rows_of_a_selection_are_changed(console):
    jobs = make(1) + make(1, "running") + make(1, "completed")
    others = make(2)
    page = prepare(console, "cancel", jobs)
    content = console.get(page).content.decode()
    assert "2 jobs will be changed" in content
    assert "1 more matching job will not be changed" in content
    assert numbers() == {"pending": 3, "running": 1, "completed": 1}
    change = run(console, page, reason="Not needed")
    assert (change.state, change.changed, change.total) == ("finished", 2, 2)
    assert numbers() == {"pending": len(others), "cancelled": 2, "completed": 1}
    events = Event.objects.filter(type="job_cancelled")
    assert {(event.payload["by"], event.payload["reason"]) for event in events} == {
        ("moderator", "Not needed")
    }
    assert [entry.change_message.partition(":")[0] for entry in LogEntry.objects.order_by("pk")] == [
        "Started",
        "Finished",
    ]
    assert "2 of 2 jobs changed" in console.get(page).content.decode()


def test_all_matching_rows_are_changed_and_no_others(console):
    failed, kept = make(60, "failed"), make(3, "failed", priority=5) + make(2)
    page = prepare(console, "retry", query="status=failed&priority=0&o=-6&cursor=x")
    assert "60 jobs will be changed" in console.get(page).content.decode()
    late = make(1, "failed")
    assert run(console, page).changed == len(failed)
    assert numbers() == {"pending": 62, "failed": 4}
    assert Event.objects.filter(type="job_requeued").count() == 60
    assert {job.pk for job in Job.objects.filter(status="failed")} == {job.pk for job in [*kept[:3], *late]}


def test_the_search_is_a_filter(console):
    make(3)
    actions.create_job(by="ada", name="Nightly")
    assert run(console, prepare(console, "cancel", query="q=Night")).changed == 1
    assert Job.objects.get(status="cancelled").name == "Nightly"


def test_a_job_that_fails_again_is_requeued_once(console, monkeypatch):
    monkeypatch.setattr(bulk_runs, "STEP_SECONDS", -1)
    (job,) = make(1, "failed")
    page = prepare(console, "retry")
    console.post(f"{page}start/")
    for _ in range(2):
        console.post(f"{page}step/")
        for step in ("running", "failed"):
            if step in Job.objects.get(pk=job.pk).allowed_statuses:
                actions.change_status(job.pk, JobStatus(step), by="w")
    assert BulkChange.objects.get().state == "finished"
    assert Event.objects.filter(type="job_requeued").count() == 1


def test_priority_and_deletion(console):
    make(3)
    make(1, "running")
    page = prepare(console, "change_priority")
    assert "is required" in console.post(f"{page}start/", {"priority": ""}).content.decode()
    assert "less than or equal" in console.post(f"{page}start/", {"priority": 2**31}).content.decode()
    assert run(console, page, priority="9", reason="Soon").changed == 3
    assert sorted(Job.objects.values_list("priority", flat=True)) == [0, 9, 9, 9]
    assert run(console, prepare(console, "delete_selected", query="status=pending")).changed == 3
    assert numbers() == {"running": 1}
    assert Event.objects.filter(type="job_deleted").count() == 3


def test_a_change_can_be_stopped_and_shows_its_progress(console, monkeypatch):
    monkeypatch.setattr(bulk_runs, "STEP_SECONDS", -1)
    monkeypatch.setattr(bulk_operations, "BATCH_SIZE", 4)
    make(10)
    page = prepare(console, "cancel")
    console.post(f"{page}start/")
    change = step(console, page)
    assert (change.state, change.changed, change.total) == ("running", 4, 10)
    assert 'value="4" max="10"' in console.get(page).content.decode()
    console.post(f"{page}stop/")
    assert step(console, page).state == "stopped"
    assert numbers() == {"pending": 6, "cancelled": 4}
    assert "4 of 10 jobs changed" in console.get(page).content.decode()
    assert "Stopped" in LogEntry.objects.order_by("-pk")[0].change_message


def test_without_scripts_a_button_continues(console):
    make(3)
    page = prepare(console, "cancel")
    console.post(f"{page}start/")
    assert "Continue" in console.get(page).content.decode()
    assert console.post(f"{page}step/")["Location"] == page
    assert BulkChange.objects.get().state == "finished"


def test_without_eligible_rows_only_the_list_is_offered(console):
    page = prepare(console, "retry", make(2))
    content = console.get(page).content.decode()
    assert "0 jobs will be changed" in content
    assert "Back to the list" in content


def test_more_rows_than_are_counted_are_changed(console, monkeypatch):
    monkeypatch.setattr(bulk_runs, "MAX_COUNTED", 3)
    make(6)
    page = prepare(console, "cancel")
    assert "All matching jobs will be changed" in console.get(page).content.decode()
    change = run(console, page)
    assert (change.total, change.changed) == (None, 6)


def test_the_api_shows_the_change_at_once(console, as_user, transactional_db):
    make(4)
    for _ in range(2):
        as_user.get("/api/v1/jobs/counts/"), as_user.get("/api/v1/jobs/?status=pending")
    run(console, prepare(console, "cancel"))
    assert as_user.get("/api/v1/jobs/counts/").json()["counts"]["cancelled"] == 4
    assert as_user.get("/api/v1/jobs/?status=pending").json()["results"] == []


@pytest.mark.parametrize("page_name", ["", "start/", "step/", "stop/"])
def test_only_staff_can_use_bulk_pages(console, client, user, page_name):
    make(1)
    page = prepare(console, "cancel")
    client.force_login(user)
    method = client.post if page_name else client.get
    assert method(f"{page}{page_name}").status_code == 302
    assert numbers() == {"pending": 1}
    assert console.get(f"{JOBS}bulk/999999999999999999999/").status_code == 404
    if page_name:
        assert console.get(f"{page}{page_name}").status_code == 405


def test_invalid_ids_are_reported(console):
    response = console.post(
        JOBS, {"action": "cancel", "index": "0", "_selected_action": ["nonsense"]}, follow=True
    )
    assert "not a valid ID" in response.content.decode()
    assert not BulkChange.objects.exists()


def body(response):
    return b"".join(response.streaming_content).decode()


def test_jobs_are_exported_as_they_are_listed(console):
    make(3)
    actions.create_job(
        by="ada", name='=HYPERLINK("http://x")', description='a,"b"\nc', metadata={"a": [1, "ü"]}
    )
    response = console.post(JOBS, {"action": "export_csv", "index": "0", "select_across": "1"})
    assert response["Content-Disposition"].endswith('.csv"')
    rows = list(csv.DictReader(io.StringIO(body(response))))
    assert [row["name"] for row in rows] == [
        '\'=HYPERLINK("http://x")',
        "pending 2",
        "pending 1",
        "pending 0",
    ]
    assert (rows[0]["description"], json.loads(rows[0]["metadata"])) == ('a,"b"\nc', {"a": [1, "ü"]})
    assert all(a["created_at"] > b["created_at"] for a, b in pairwise(rows))
    chosen = Job.objects.get(name="pending 1")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET metadata = %s WHERE name = 'pending 1'", ['{"a":\n[1]}\n'])
    fields = {"action": "export_jsonl", "index": "0", "_selected_action": [str(chosen.pk)]}
    (line,) = body(console.post(JOBS, fields)).splitlines()
    result = json.loads(line)
    assert (result["id"], result["status"], result["metadata"]) == (str(chosen.pk), "pending", {"a": [1]})
    assert result["created_at"].endswith("Z")
    assert "lease_token" not in result
    assert LogEntry.objects.filter(change_message__startswith="Exported").count() == 2


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\rx", "'\rx"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("\uff0b1", "'\uff0b1"),
        ("\uff0d1", "'\uff0d1"),
        ("\uff20x", "'\uff20x"),
        ("a;=1;+2", "a;'=1;'+2"),
        ("a; \uff1d1", "a;' \uff1d1"),
        ("a\n=1", "a\n'=1"),
        ("a\t-1", "a\t'-1"),
        ("a;b,c-d=e", "a;b,c-d=e"),
    ],
)
def test_no_cell_of_an_export_is_a_formula(console, text, cell):
    (job,) = make(1)
    Job.objects.filter(pk=job.pk).update(name=text, description=text, priority=-1, metadata={"a": text})
    content = body(console.post(JOBS, {"action": "export_csv", "index": "0", "select_across": "1"}))
    (row,) = csv.DictReader(io.StringIO(content, newline=""))
    assert (row["name"], row["description"], row["priority"]) == (cell, cell, "-1")


def test_every_cell_of_an_export_is_quoted(console):
    make(1)
    header, line = body(
        console.post(JOBS, {"action": "export_csv", "index": "0", "select_across": "1"})
    ).splitlines()
    assert header.startswith('"id","name",')
    assert re.fullmatch(r'"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*', line)
    assert line.count('",') == header.count('",')


def test_running_jobs_that_are_cancelled_lose_their_lease(console):
    (job,) = make(1, "running")
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() + timedelta(minutes=1), worker="w")
    run(console, prepare(console, "cancel", [job]))
    job.refresh_from_db()
    assert (job.status, job.lease_expires_at, job.worker) == ("cancelled", None, "w")


def test_a_filter_without_an_index_is_applied_to_the_end(console, monkeypatch):
    monkeypatch.setattr(bounded_scan, "SCAN_LIMIT", 7)
    monkeypatch.setattr(bulk_runs, "MAX_COUNTED", 7)
    monkeypatch.setattr(bulk_operations, "BATCH_SIZE", 2)
    monkeypatch.setattr(bulk_runs, "STEP_SECONDS", -1)
    rare = make(3, queue="rare")
    make(20)
    rare += make(1, queue="rare") + make(1, "completed", queue="rare")
    page = prepare(console, "cancel", query="queue=rare&priority=0")
    content = console.get(page).content.decode()
    assert "All matching jobs will be changed" in content
    assert "too many jobs to count in advance" in content
    change = run(console, page, reason="Rare")
    assert (change.state, change.changed, change.total) == ("finished", 4, None)
    assert set(Job.objects.filter(status="cancelled")) == set(rare[:4])
    cancelled = Event.objects.filter(type="job_cancelled")
    assert [event.payload["reason"] for event in cancelled] == ["Rare"] * 4


def test_tasks_are_deleted_by_filter(console):
    for title in ("Old 1", "Old 2", "New"):
        actions.create_task(title=title)
    page = prepare(console, "delete_selected", query="q=Old", page=TASKS)
    assert "2 tasks will be deleted" in console.get(page).content.decode()
    assert run(console, page, reason="Done").changed == 2
    assert Task.objects.get().title == "New"
    entry = LogEntry.objects.order_by("-pk")[0]
    assert (entry.object_repr, "2 tasks changed" in entry.change_message) == ("Tasks", True)
    assert "Done" in entry.change_message


def test_users_are_deactivated_and_activated(admin_console, admin_user, user, moderator):
    client = sign_in(user)
    assert client.get("/api/v1/users/me/").status_code == 200
    page = prepare(admin_console, "deactivate", page=USERS)
    content = admin_console.get(page).content.decode()
    assert "2 users will be changed" in content
    assert "Admins are not changed" in content
    assert run(admin_console, page).changed == 2
    assert set(User.objects.filter(active=False)) == {user, moderator}
    assert client.get("/api/v1/users/me/").status_code == 401
    page = prepare(admin_console, "activate", [user, admin_user], page=USERS)
    assert run(admin_console, page).changed == 1
    assert client.get("/api/v1/users/me/").status_code == 200
    assert set(User.objects.filter(active=False)) == {moderator}


def test_bulk_changes_leave_admins_alone(admin_console, admin_user, user):
    other = make_user("other", Role.ADMIN)
    for action in ("deactivate", "delete_selected"):
        page = prepare(admin_console, action, [admin_user, other], page=USERS)
        assert "0 users will be" in admin_console.get(page).content.decode()
        assert run(admin_console, page).changed == 0
    assert run(admin_console, prepare(admin_console, "delete_selected", page=USERS)).changed == 1
    assert set(User.objects.all()) == {admin_user, other}


def test_moderators_change_no_users_and_nobody_changes_events(console, admin_console, user, event):
    page = prepare(admin_console, "deactivate", page=USERS)
    assert console.get(page).status_code == console.post(f"{page}start/").status_code == 403
    # The job URLs do not lead to a change of users either.
    assert console.post(page.replace("/user/", "/job/") + "start/").status_code == 404
    before = BulkChange.objects.count()
    for where, client in ((USERS, console), (EVENTS, admin_console)):
        for action in ("deactivate", "delete_selected", "cancel"):
            fields = {"action": action, "index": "0", "select_across": "1"}
            assert client.post(where, fields).status_code == 302
    assert BulkChange.objects.count() == before
    assert Event.objects.filter(pk=event.pk).exists()


@pytest.mark.parametrize(
    ("page", "column", "missing"),
    [(USERS, "username", "password"), (EVENTS, "payload", ""), (TASKS, "title", "")],
)
def test_every_list_is_exported_with_the_apis_fields(console, user, event, task, page, column, missing):
    response = console.post(page, {"action": "export_jsonl", "index": "0", "select_across": "1"})
    rows = [json.loads(line) for line in body(response).splitlines()]
    assert len(rows) == len(console.get(page).context["cl"].result_list)
    assert all(column in row and missing not in row for row in rows)
    assert rows[0]["created_at"].endswith("Z")
    response = console.post(page, {"action": "export_csv", "index": "0", "select_across": "1"})
    assert len(list(csv.DictReader(io.StringIO(body(response))))) == len(rows)
    assert user.password not in body(
        console.post(page, {"action": "export_csv", "index": "0", "select_across": "1"})
    )


def start_worker():
    """Let the console see that a worker runs the task."""
    background.run_bulk_changes()


def test_a_change_runs_in_the_worker_when_one_is_up(console, monkeypatch):
    monkeypatch.setattr(bulk_operations, "BATCH_SIZE", 2)
    make(5)
    start_worker()
    page = prepare(console, "cancel")
    console.post(f"{page}start/")
    change = step(console, page)
    assert (change.state, change.changed) == ("running", 0)
    assert "The background worker does it" in console.get(page).content.decode()
    assert background.run_bulk_changes() == 1
    assert numbers() == {"cancelled": 5}
    assert step(console, page).state == "finished"
    assert LogEntry.objects.order_by("-pk")[0].change_message.startswith("Finished")
    assert background.run_bulk_changes() == 0


def test_a_change_runs_in_its_requests_when_the_worker_has_gone(console):
    make(3)
    start_worker()
    page = prepare(console, "cancel")
    console.post(f"{page}start/")
    BackgroundTask.objects.update(started_at=timezone.now() - timedelta(minutes=1))
    assert step(console, page).state == "finished"


def test_the_worker_stops_a_change_of_an_operator_who_may_not_make_it_any_more(console):
    make(3)
    page = prepare(console, "cancel")
    console.post(f"{page}start/")
    User.objects.update(active=False)
    background.run_bulk_changes()
    assert BulkChange.objects.get().state == "stopped"
    assert numbers() == {"pending": 3}


def test_a_second_click_starts_nothing(console):
    make(3)
    page = prepare(console, "cancel")
    change = BulkChange.objects.get()
    console.post(f"{page}start/")
    started = LogEntry.objects.count()
    console.post(f"{page}start/")
    assert not bulk_runs.start(change, Selection.of_ids(JOBS_LIST, []))
    assert LogEntry.objects.count() == started
    assert BulkChange.objects.get().total == 3
