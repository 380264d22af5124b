"""Changes of many jobs: previewed, done in batches by the life cycle, each with its event, reported."""

import csv
import io
import json
from datetime import timedelta
from itertools import pairwise

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from orchestrator import actions, bulk
from orchestrator.choices import JobStatus
from orchestrator.console import bulk as changes
from orchestrator.console.models import BulkChange
from orchestrator.models import Event, Job

JOBS = "/admin/orchestrator/job/"
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


def prepare(client, action, jobs=None, query=""):
    fields = {"action": action, "index": "0"}
    fields |= {"select_across": "1"} if jobs is None else {"_selected_action": [str(job.pk) for job in jobs]}
    answer = client.post(f"{JOBS}?{query}", fields)
    assert answer.status_code == 302, answer.content
    return answer["Location"]


def carry_out(client, page, **fields):
    assert client.post(f"{page}start/", fields).status_code == 302
    while client.post(f"{page}step/", headers={"accept": "application/json"}).json()["state"] == "running":
        pass
    return BulkChange.objects.get(pk=int(page.rstrip("/").rpartition("/")[2]))


def numbers():
    return {status: number for status, number in Job.objects.counts().items() if number}


@pytest.mark.django_db
@pytest.mark.parametrize("to", [JobStatus.PENDING, JobStatus.CANCELLED])
def test_a_batch_does_what_one_by_one_does(to):
    pairs = [(make(1, status)[0], make(1, status)[0]) for status in STEPS]
    assert bulk.batch(
        bulk.to_status(to, by="ada", reason="Why"), Job.objects.filter(pk__in=[b.pk for _, b in pairs])
    )
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
        for name in ("status", "attempts", "worker", "lease_token", "lease_expires_at"):
            assert getattr(left, name) == getattr(right, name)
        for name in ("started_at", "completed_at"):
            assert (getattr(left, name) is None) == (getattr(right, name) is None)


@pytest.mark.django_db
def test_a_batch_costs_a_few_statements_whatever_its_size(django_assert_max_num_queries):
    for size in (2, 100):
        make(size)
        with django_assert_max_num_queries(9):
            assert bulk.batch(bulk.to_status(JobStatus.CANCELLED, by="ada"), Job.objects.all()) == size


@pytest.mark.django_db
def test_batches_end_when_all_are_changed():
    make(5)
    change = bulk.to_priority(7, by="ada", reason="Urgent")
    assert [bulk.batch(change, Job.objects.all(), size=2) for _ in range(4)] == [2, 2, 1, None]
    assert set(Job.objects.values_list("priority", flat=True)) == {7}
    event = Event.objects.filter(type="job_updated")[0]
    assert (event.payload["fields"], event.payload["reason"]) == (["priority"], "Urgent")


def test_a_selection_is_changed_as_far_as_it_may(console):
    jobs = make(1) + make(1, "running") + make(1, "completed")
    others = make(2)
    page = prepare(console, "cancel", jobs)
    content = console.get(page).content.decode()
    assert "2 jobs will be changed" in content
    assert "1 more match and stay as they are" in content
    assert numbers() == {"pending": 3, "running": 1, "completed": 1}
    change = carry_out(console, page, reason="Not needed")
    assert (change.state, change.changed, change.total) == ("finished", 2, 2)
    assert numbers() == {"pending": len(others), "cancelled": 2, "completed": 1}
    events = Event.objects.filter(type="job_cancelled")
    assert {(event.payload["by"], event.payload["reason"]) for event in events} == {
        ("moderator", "Not needed")
    }
    assert [entry.change_message.partition(":")[0] for entry in LogEntry.objects.order_by("pk")] == [
        "Begun",
        "Finished",
    ]
    assert "2 of 2 jobs changed" in console.get(page).content.decode()


def test_all_that_match_are_changed_and_no_others(console):
    failed, kept = make(60, "failed"), make(3, "failed", priority=5) + make(2)
    page = prepare(console, "retry", query="status__exact=failed&priority=0&o=-6&cursor=x")
    assert "60 jobs will be changed" in console.get(page).content.decode()
    late = make(1, "failed")
    assert carry_out(console, page).changed == len(failed)
    assert numbers() == {"pending": 62, "failed": 4}
    assert Event.objects.filter(type="job_requeued").count() == 60
    assert {job.pk for job in Job.objects.filter(status="failed")} == {job.pk for job in [*kept[:3], *late]}


def test_the_search_counts_as_filter(console):
    make(3)
    actions.create_job(by="ada", name="Nightly")
    assert carry_out(console, prepare(console, "cancel", query="q=Night")).changed == 1
    assert Job.objects.get(status="cancelled").name == "Nightly"


def test_what_failed_again_is_not_queued_again_for_ever(console, monkeypatch):
    monkeypatch.setattr(changes, "PATIENCE", -1)
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
    assert carry_out(console, page, priority="9", reason="Soon").changed == 3
    assert sorted(Job.objects.values_list("priority", flat=True)) == [0, 9, 9, 9]
    assert carry_out(console, prepare(console, "delete_selected", query="status__exact=pending")).changed == 3
    assert numbers() == {"running": 1}
    assert Event.objects.filter(type="job_deleted").count() == 3


def test_it_can_be_stopped_and_says_how_far_it_came(console, monkeypatch):
    monkeypatch.setattr(changes, "PATIENCE", -1)
    monkeypatch.setattr(bulk, "batch", lambda change, jobs, real=bulk.batch: real(change, jobs, size=4))
    make(10)
    page = prepare(console, "cancel")
    console.post(f"{page}start/")
    told = console.post(f"{page}step/", headers={"accept": "application/json"}).json()
    assert told == {"state": "running", "changed": 4, "total": 10}
    assert 'value="4" max="10"' in console.get(page).content.decode()
    console.post(f"{page}stop/")
    assert console.post(f"{page}step/", headers={"accept": "application/json"}).json()["state"] == "stopped"
    assert numbers() == {"pending": 6, "cancelled": 4}
    assert "4 of 10 jobs changed" in console.get(page).content.decode()
    assert "Stopped" in LogEntry.objects.order_by("-pk")[0].change_message


def test_without_a_script_buttons_carry_on(console):
    make(3)
    page = prepare(console, "cancel")
    console.post(f"{page}start/")
    assert "Carry on" in console.get(page).content.decode()
    assert console.post(f"{page}step/")["Location"] == page
    assert BulkChange.objects.get().state == "finished"


def test_nothing_to_do_is_told(console):
    page = prepare(console, "retry", make(2))
    content = console.get(page).content.decode()
    assert "0 jobs will be changed" in content
    assert "Back to the list" in content


def test_more_than_are_counted_are_changed_too(console, monkeypatch):
    monkeypatch.setattr(changes, "COUNTED", 3)
    make(6)
    page = prepare(console, "cancel")
    assert "More than 3 jobs" in console.get(page).content.decode()
    change = carry_out(console, page)
    assert (change.total, change.changed) == (None, 6)


def test_the_api_agrees_at_once(console, as_user, transactional_db):
    make(4)
    for _ in range(2):
        as_user.get("/api/v1/jobs/counts/"), as_user.get("/api/v1/jobs/?status=pending")
    carry_out(console, prepare(console, "cancel"))
    assert as_user.get("/api/v1/jobs/counts/").json()["counts"]["cancelled"] == 4
    assert as_user.get("/api/v1/jobs/?status=pending").json()["results"] == []


@pytest.mark.parametrize("address", ["", "start/", "step/", "stop/"])
def test_only_staff_gets_there(console, client, user, address):
    make(1)
    page = prepare(console, "cancel")
    client.force_login(user)
    method = client.post if address else client.get
    assert method(f"{page}{address}").status_code == 302
    assert numbers() == {"pending": 1}
    assert console.get(f"{JOBS}bulk/999999999999999999999/").status_code == 404
    if address:
        assert console.get(f"{page}{address}").status_code == 405


def test_ids_that_are_none_are_told(console):
    answer = console.post(
        JOBS, {"action": "cancel", "index": "0", "_selected_action": ["nonsense"]}, follow=True
    )
    assert "no id of a row" in answer.content.decode()
    assert not BulkChange.objects.exists()


def body(answer):
    return b"".join(answer.streaming_content).decode()


def test_jobs_are_exported_as_they_are_listed(console):
    make(3)
    actions.create_job(
        by="ada", name='=HYPERLINK("http://x")', description='a,"b"\nc', metadata={"a": [1, "ü"]}
    )
    answer = console.post(JOBS, {"action": "export_csv", "index": "0", "select_across": "1"})
    assert answer["Content-Disposition"].endswith('.csv"')
    rows = list(csv.DictReader(io.StringIO(body(answer))))
    assert [row["name"] for row in rows] == [
        '\'=HYPERLINK("http://x")',
        "pending 2",
        "pending 1",
        "pending 0",
    ]
    assert (rows[0]["description"], json.loads(rows[0]["metadata"])) == ('a,"b"\nc', {"a": [1, "ü"]})
    assert all(a["created_at"] > b["created_at"] for a, b in pairwise(rows))
    chosen = Job.objects.get(name="pending 1")
    fields = {"action": "export_jsonl", "index": "0", "_selected_action": [str(chosen.pk)]}
    (line,) = body(console.post(JOBS, fields)).splitlines()
    told = json.loads(line)
    assert (told["id"], told["status"], told["metadata"]) == (str(chosen.pk), "pending", {})
    assert told["created_at"].endswith("Z")
    assert "lease_token" not in told
    assert LogEntry.objects.filter(change_message__startswith="Exported").count() == 2


def test_running_jobs_that_are_cancelled_lose_their_lease(console):
    (job,) = make(1, "running")
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() + timedelta(minutes=1), worker="w")
    carry_out(console, prepare(console, "cancel", [job]))
    job.refresh_from_db()
    assert (job.status, job.lease_expires_at, job.worker) == ("cancelled", None, "w")
