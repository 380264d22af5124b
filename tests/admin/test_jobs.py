"""Jobs in the admin: every change follows the life cycle and writes an event."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from orchestrator import actions
from orchestrator.admin.change_list import stored_count
from orchestrator.choices import JobStatus
from orchestrator.listing import Selection
from orchestrator.lists import EVENTS
from orchestrator.lists import JOBS as JOB_LIST
from orchestrator.models import Event, Job

JOBS = "/admin/orchestrator/job/"


def page(job, *rest):
    return f"{JOBS}{job.pk}/{''.join(rest)}"


def form(**fields):
    return {
        "name": "Index",
        "description": "",
        "priority": "3",
        "max_attempts": "3",
        "metadata": "{}",
        **fields,
    }


def last_event(job):
    return Event.objects.of_job(job.pk)[0]


def texts(response):
    return [str(message) for message in response.context["messages"]]


def test_a_new_job_is_pending_and_has_its_event(console):
    response = console.post(f"{JOBS}add/", form(name="نسخ احتياطي 🗄", metadata='{"a": [1, {"b": null}]}'))
    assert response.status_code == 302
    job = Job.objects.get()
    assert (job.name, job.status, job.priority) == ("نسخ احتياطي 🗄", "pending", 3)
    assert job.metadata == {"a": [1, {"b": None}]}
    event = last_event(job)
    assert (event.type, event.payload["by"]) == ("job_created", "moderator")
    assert LogEntry.objects.get().object_id == str(job.pk)


def test_a_change_is_recorded_in_the_history(console, job):
    response = console.post(
        page(job, "change/"), form(name=job.name, metadata=json.dumps(job.metadata)), follow=True
    )
    assert response.status_code == 200
    job.refresh_from_db()
    assert job.priority == 3
    event = last_event(job)
    assert (event.type, event.payload["fields"], event.payload["by"]) == (
        "job_updated",
        ["priority"],
        "moderator",
    )


def test_saving_without_a_change_writes_no_event(console, job):
    fields = form(name=job.name, priority="0", metadata='{"pages": 7,\n "note": "<b>"}')
    assert console.post(page(job, "change/"), fields).status_code == 302
    assert Event.objects.count() == 1


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 256),
        ("name", "nul\0"),
        ("description", "x" * 1025),
        ("priority", "2147483648"),
        ("priority", "-2147483649"),
        ("priority", "high"),
        ("priority", ""),
        ("max_attempts", "0"),
        ("metadata", "[1]"),
        ("metadata", "7"),
        ("metadata", "{"),
        ("metadata", '{"a": NaN}'),
        ("metadata", '{"a": "\\u0000"}'),
        ("metadata", '{"a": "\\ud800"}'),
        ("metadata", '{"a": ' + "[" * 1000 + "]" * 1000 + "}"),
        ("metadata", '{"a": ' + "[" * 150 + "]" * 150 + "}"),
        ("metadata", json.dumps({"a": "x" * 65536})),
    ],
)
@pytest.mark.slow
def test_the_form_rejects_what_the_api_rejects(console, job, field, value):
    before = Job.objects.values().get()
    for url in (f"{JOBS}add/", page(job, "change/")):
        response = console.post(url, form(**{field: value}))
        assert response.status_code == 200
        assert response.context["adminform"].form.errors.keys() == {field}
    assert Job.objects.values().get() == before


def test_the_form_does_not_set_the_status(console, job):
    console.post(page(job, "change/"), form(status="completed", started_at="2026-01-01", worker="me"))
    job.refresh_from_db()
    assert (job.status, job.started_at, job.worker) == ("pending", None, None)


@pytest.mark.one_engine
@pytest.mark.parametrize("status", [JobStatus.RUNNING, JobStatus.COMPLETED])
def test_running_and_completed_jobs_cannot_be_edited(console, job, status):
    actions.change_status(job.pk, JobStatus.RUNNING, by="w")
    actions.change_status(job.pk, status, by="w")
    content = console.get(page(job, "change/")).content
    assert b'name="name"' not in content
    assert b'name="_save"' not in content
    assert b"&quot;pages&quot;: 7" in content
    console.post(page(job, "change/"), form(name="Other", priority="9", metadata='{"pages": 8}'))
    job.refresh_from_db()
    assert (job.name, job.priority, job.metadata["pages"]) == ("Index documents", 0, 7)


def test_the_page_shows_queue_progress_and_result(console, job):
    actions.change_status(job.pk, JobStatus.RUNNING, by="w")
    Job.objects.filter(pk=job.pk).update(
        queue="gpu-batch", progress=37, available_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    )
    content = console.get(page(job, "change/")).content.decode()
    assert all(text in content for text in ("gpu-batch", "37 %", "2026-01-02 03:04:05"))
    actions.change_status(job.pk, JobStatus.COMPLETED, by="w", result={"documents": 7})
    assert "&quot;documents&quot;: 7" in console.get(page(job, "change/")).content.decode()


@pytest.mark.one_engine
@pytest.mark.parametrize("status", JobStatus)
def test_the_page_offers_the_allowed_statuses(console, job, status):
    steps = {
        "pending": [],
        "running": ["running"],
        "completed": ["running", "completed"],
        "failed": ["running", "failed"],
        "cancelled": ["cancelled"],
    }[status]
    for step in steps:
        actions.change_status(job.pk, JobStatus(step), by="w")
    job.refresh_from_db()
    content = console.get(page(job, "change/")).content.decode()
    offered = {to for to in JobStatus.values if f'name="status" value="{to}"' in content}
    assert offered == set(job.allowed_statuses)
    assert ("status-reason" in content) == bool(offered)


def test_a_change_of_status_writes_event_and_log(console, job):
    response = console.post(
        page(job, "status/"), {"status": "cancelled", "reason": "Not needed"}, follow=True
    )
    assert response.redirect_chain == [(page(job, "change/"), 302)]
    assert texts(response) == ["“Index documents” is now cancelled."]
    job.refresh_from_db()
    assert job.status == "cancelled"
    event = last_event(job)
    assert event.type == "job_cancelled"
    payload = {name: event.payload[name] for name in ("job_id", "from", "to", "by", "reason")}
    assert list(payload.values()) == [str(job.pk), "pending", "cancelled", "moderator", "Not needed"]
    assert LogEntry.objects.get().change_message == "Pending → Cancelled: Not needed"
    content = response.content.decode()
    assert "job_cancelled" in content
    assert "Not needed" in content


def test_a_change_against_the_life_cycle_is_an_error_message(console, job):
    response = console.post(page(job, "status/"), {"status": "completed"}, follow=True)
    assert texts(response) == ["A pending job cannot become completed. Allowed: running, cancelled."]
    assert Event.objects.count() == 1


@pytest.mark.one_engine
@pytest.mark.parametrize("fields", [{}, {"status": "banana"}, {"status": "cancelled", "reason": "x" * 1025}])
def test_an_invalid_change_of_status_is_an_error_message(console, job, fields):
    response = console.post(page(job, "status/"), fields, follow=True)
    assert len(texts(response)) == 1
    job.refresh_from_db()
    assert job.status == "pending"


def test_a_change_of_status_needs_a_job_a_post_and_permission(console, client, user, job):
    assert console.post(f"{JOBS}nonsense/status/", {"status": "cancelled"}).status_code == 404
    assert console.get(page(job, "status/")).status_code == 405
    client.force_login(user)
    assert client.post(page(job, "status/"), {"status": "cancelled"}).status_code == 302
    job.refresh_from_db()
    assert job.status == "pending"


def test_deleting_writes_an_event(console, job):
    assert console.post(page(job, "delete/"), {"post": "yes"}).status_code == 302
    assert not Job.objects.exists()
    assert last_event(job).payload["by"] == "moderator"
    assert last_event(job).type == "job_deleted"


def test_lists_are_searched_and_filtered(console, job):
    for number in range(55):
        actions.create_job(by="ada", name=f"Nightly {number}", priority=number - 5)
    now = timezone.now()
    Job.objects.filter(name="Nightly 7").update(
        status="running", started_at=now - timedelta(hours=3), worker="w-1"
    )

    def rows(query):
        response = console.get(JOBS, query)
        assert response.status_code == 200
        return [row.name for row in response.context["cl"].result_list]

    assert len(rows({})) == 50
    assert rows({"q": str(job.pk)}) == rows({"q": f" {job.pk.hex} "}) == [job.name]
    assert rows({"q": "Nightly 7"}) == ["Nightly 7"]
    assert rows({"q": "%"}) == []
    assert rows({"status": "running"}) == ["Nightly 7"]
    assert rows({"priority": "-5"}) == ["Nightly 0"]
    assert rows({"priority": "49", "status": "pending"}) == ["Nightly 54"]
    assert rows({"priority": ""}) == rows({})
    assert b"3 h 0 min" in console.get(JOBS, {"q": "Nightly 7"}).content


@pytest.mark.parametrize(
    ("query", "counted"),
    [({}, 0), ({"status": "pending"}, 0), ({"priority": "0"}, 1), ({"q": "Job"}, 1), ({"worker": "w"}, 1)],
)
def test_a_list_runs_few_queries_and_counts_no_table(console, django_assert_max_num_queries, query, counted):
    Job.objects.bulk_create(Job(name=f"Job {n}", worker="w") for n in range(60))
    with django_assert_max_num_queries(11) as queries:
        response = console.get(JOBS, query)
    assert len(response.context["cl"].result_list) == 50
    statements = [query["sql"] for query in queries.captured_queries]
    assert sum("LIMIT 10001" in sql for sql in statements) == counted
    assert not any(
        "COUNT(" in sql for sql in statements
    )  # as Django writes it; a bounded count is lower case
    assert not any("DISTINCT" in sql for sql in statements)


@pytest.mark.django_db
def test_stored_counts_are_used_only_where_they_are_exact():
    for number in range(3):
        actions.create_job(by="ada", name=f"Job {number}", priority=number)

    def stored(definition, **conditions):
        return stored_count(Selection(definition, conditions, definition.orders[0]))

    assert stored(JOB_LIST) == stored(JOB_LIST, status="pending") == stored(EVENTS) == 3
    assert stored(JOB_LIST, status="failed") == 0
    assert stored(JOB_LIST, status="pending", priority=1) is None
    assert stored(JOB_LIST, priority=1) is None
    assert stored(EVENTS, type="job_created") is None


def test_jobs_are_found_by_worker(console, job):
    running = actions.create_job(by="ada", name="Running")
    actions.change_status(running.pk, JobStatus.RUNNING, by="w")
    Job.objects.filter(pk=running.pk).update(worker="gpu-1")

    def rows(query):
        return [row.name for row in console.get(JOBS, query).context["cl"].result_list]

    assert b"?worker=gpu-1" in console.get(JOBS).content
    assert rows({"worker": "gpu-1"}) == ["Running"]
    assert rows({"worker": "nobody"}) == []


def test_client_texts_are_escaped(console, job):
    Job.objects.filter(pk=job.pk).update(name="<script>alert(1)</script>")
    Event.objects.create(type="<i>", payload={"by": "<img>", "reason": ["x"]}, job_id=job.pk)
    for url in (JOBS, page(job, "change/"), "/admin/orchestrator/event/"):
        content = console.get(url).content.decode()
        assert "<script>alert" not in content
        assert "<img>" not in content
        assert "<i>" not in content


@pytest.mark.parametrize("payload", [[], "text", 7, {"by": {"a": 1}}])
def test_payloads_of_any_shape_are_shown(console, job, payload):
    event = Event.objects.create(type="odd", payload=payload, job_id=job.pk)
    for url in (
        "/admin/orchestrator/event/",
        f"/admin/orchestrator/event/{event.pk}/change/",
        page(job, "change/"),
    ):
        assert console.get(url).status_code == 200
