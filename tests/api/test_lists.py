"""Lists over HTTP: their query parameters, what is served together, and the links between pages.

Which rows a page has, and in which order, is tested in ``tests/lists``.
"""

from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.choices import JobStatus, Role
from orchestrator.listing import bounded_scan
from orchestrator.models import Event, Job, Task, User
from tests.users import make_user

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOBS = [
    ("a", JobStatus.PENDING, 0, "default", -3, None, None),
    ("b", JobStatus.RUNNING, 5, "reports", -2, -1, None),
    ("c", JobStatus.COMPLETED, 5, "default", -2, -1, 0),
    ("d", JobStatus.FAILED, -5, "reports", 0, 1, 2),
]


@pytest.fixture
def jobs(db):
    def at(hours):
        return None if hours is None else NOON + timedelta(hours=hours)

    Job.objects.bulk_create(
        Job(
            name=name,
            status=status,
            priority=priority,
            queue=queue,
            worker=name,
            created_at=at(created),
            started_at=at(started),
            completed_at=at(completed),
        )
        for name, status, priority, queue, created, started, completed in JOBS
    )


@pytest.fixture
def seven(db):
    return Job.objects.bulk_create(Job(name=str(n), created_at=NOON) for n in range(7))


def rows_of(client, url):
    response = client.get(url)
    assert response.status_code == 200, response.content
    return response.json()["results"]


def names(client, query, path="jobs", field="name"):
    return "".join(row[field] for row in rows_of(client, f"/api/v1/{path}/?{query}"))


# --- Filters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "dcba"),
        ("status=running", "b"),
        ("priority=5", "cb"),
        ("priority=-5", "d"),
        ("queue=reports", "db"),
        ("worker=c", "c"),
        ("worker=c&queue=reports", ""),
        ("status=completed&priority=5", "c"),
        ("created_after=2026-11-23T10:00:00Z", "dcb"),
        ("created_after=2026-11-23T10:00:00.000001Z", "d"),
        ("created_after=2026-11-23T11:00:00%2B01:00", "dcb"),
        ("created_after=2026-11-23T10:00:00", "dcb"),
        ("created_after=20261123T100000Z", "dcb"),
        ("created_before=2026-11-23T10:00:00Z", "a"),
        ("created_before=2026-11-24", "dcba"),
        ("created_before=2026-11-23", ""),
        ("created_after=2026-11-23T10:00:00Z&created_before=2026-11-23T12:00:00Z", "cb"),
        ("started_after=2026-11-23T11:00:00Z", "dcb"),
        ("started_after=2026-11-23T11:00:00Z&worker=b", "b"),
        ("started_before=2026-11-23T13:00:00Z", "cb"),
        ("started_after=2026-11-23T11:00:00Z&ordering=started_at", "bcd"),
        ("completed_after=2026-11-23T12:00:00Z", "dc"),
        ("completed_after=2026-11-23T12:00:00Z&status=failed", "d"),
        ("completed_before=2026-11-23T14:00:00Z", "c"),
        ("created_after=0001-01-01T00:00:00Z", "dcba"),
        ("created_before=9999-12-31T23:59:59Z", "dcba"),
        ("status=pending&status=failed", "d"),
        ("ordering=created_at", "abcd"),
        ("ordering=-priority", "cbad"),
        ("ordering=-priority&queue=reports", "bd"),
        ("ordering=-priority&priority=5", "cb"),
    ],
)
def test_jobs_are_filtered_and_ordered(as_user, jobs, query, wanted):
    """Jobs of equal times are in order of their ids, which are in order of their names."""
    found = names(as_user, query)
    assert found in (wanted, wanted.replace("cb", "bc"), wanted.replace("bc", "cb"))


def test_events_are_filtered(as_user):
    job = Job.objects.create(name="x")
    Event.objects.bulk_create(Event(type=name, created_at=NOON) for name in ("a", "b", "A", "ab"))
    Event.objects.create(type="a", job_id=job.pk)
    assert names(as_user, "type=b", "events", "type") == "b"
    assert names(as_user, "type=none", "events", "type") == ""
    assert names(as_user, f"job={job.pk}", "events", "type") == "a"
    assert names(as_user, "type=a&created_before=2026-11-23T12:00:01Z", "events", "type") == "a"


TITLES = ["Label", "label", "Lab", "L", "Labelling 100%", "Läbel", "Lab_l", "\U0010ffff", "\ud7ff", "\ue000"]


@pytest.mark.parametrize("prefix", ["L", "Lab", "lab", "Labelling 100%25", "Lab_", "%25", "x", "\ud7ff"])
def test_tasks_are_filtered_by_the_beginning_of_their_title(as_user, prefix):
    Task.objects.bulk_create(Task(title=title) for title in TITLES)
    wanted = sorted(title for title in TITLES if title.startswith(prefix.replace("%25", "%")))
    found = rows_of(as_user, f"/api/v1/tasks/?title_prefix={prefix}")
    assert [task["title"] for task in found] == wanted


def test_tasks_are_filtered_by_their_whole_title(as_user):
    Task.objects.bulk_create(Task(title=title) for title in TITLES)
    assert names(as_user, "title=Lab", "tasks", "title") == "Lab"


def test_users_are_filtered(as_moderator):
    for name, role, active in [("a", Role.USER, True), ("b", Role.ADMIN, True), ("c", Role.USER, False)]:
        make_user(name, role, active=active)
    User.objects.filter(username="moderator").update(username="m")
    wanted = {
        "": "abcm",
        "role=user": "ac",
        "active=true": "abm",
        "active=True": "abm",
        "active=false": "c",
        "role=user&active=true": "a",
        "ordering=-created_at": "cbam",
    }
    assert {query: names(as_moderator, query, "users", "username") for query in wanted} == wanted


# --- What is served together --------------------------------------------------------------------------------

VALUES = {
    "status": "pending",
    "priority": "0",
    "queue": "default",
    "worker": "w",
    "created_after": "2026-01-01",
    "created_before": "2026-12-01",
    "started_after": "2026-01-01",
    "started_before": "2026-12-01",
    "completed_after": "2026-01-01",
    "completed_before": "2026-12-01",
    "type": "x",
    "job": "01939b2e-7d2a-7c3a-9b1e-2f6d5c4b3a29",
    "title": "x",
    "title_prefix": "x",
    "role": "user",
    "active": "true",
}
#: The contract's table: the list, the filters that go together, and the orders with them, the default first.
JOB_FILTERS = ("status", "priority", "queue", "worker")
SERVED = [
    ("jobs", (), JOB_FILTERS, ("-created_at", "created_at", "-priority")),
    ("jobs", ("created_after", "created_before"), JOB_FILTERS, ("-created_at", "created_at")),
    ("jobs", ("started_after", "started_before"), JOB_FILTERS, ("-started_at", "started_at")),
    ("jobs", ("completed_after", "completed_before"), JOB_FILTERS, ("-completed_at", "completed_at")),
    ("events", (), ("type", "job", "created_after", "created_before"), ("-created_at", "created_at")),
    ("tasks", (), (), ("-created_at", "created_at", "title")),
    ("tasks", ("created_after", "created_before"), (), ("-created_at", "created_at")),
    ("tasks", ("title",), (), ("-created_at", "created_at")),
    ("tasks", ("title_prefix",), (), ("title",)),
    ("users", (), ("role", "active"), ("username", "-created_at")),
]
FILTERS_OF = {
    "jobs": (*JOB_FILTERS, *(name for _, range_, *_ in SERVED[1:4] for name in range_)),
    "events": ("type", "job", "created_after", "created_before"),
    "tasks": ("title", "title_prefix", "created_after", "created_before"),
    "users": ("role", "active"),
}
ORDERS = sorted({order for *_, orders in SERVED for order in orders})


def served_orders(path, chosen):
    """Return the orders that the contract serves with some filters."""
    for name, one_of, further, orders in SERVED:
        needed = set(chosen) & set(one_of)
        if name == path and (needed or not one_of) and set(chosen) <= {*one_of, *further}:
            return orders
    return ()


def filters_together(path):
    """Yield each pair of a list's filters, and the most filters that go together: conflicts are of pairs."""
    yield from chain.from_iterable(combinations(FILTERS_OF[path], size) for size in range(3))
    yield from ((*one_of, *further) for name, one_of, further, _ in SERVED if name == path)


@pytest.mark.sqlite  # what is not served is refused before a query
@pytest.mark.parametrize("path", FILTERS_OF)
def test_filters_and_orders_are_served_as_the_contract_says(as_moderator, path):
    for chosen in filters_together(path):
        orders = served_orders(path, chosen)
        for order in ("", *ORDERS) if len(chosen) != 2 else ("", "-created_at"):
            query = {name: VALUES[name] for name in chosen} | ({"ordering": order} if order else {})
            response = as_moderator.get(f"/api/v1/{path}/", query)
            is_served = bool(orders) and order in ("", *orders)
            assert response.status_code == (200 if is_served else 400), (query, response.content)
            if not is_served:
                ((parameter, (message,)),) = response.json().items()
                assert parameter in query
                assert "Allowed: " in message


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("query", "parameter", "message"),
    [
        (
            "status=banana",
            "status",
            "Invalid value 'banana'. Allowed: pending, running, completed, failed, cancelled.",
        ),
        (
            "created_after=2026-01-01&started_before=2026-01-01&started_after=2025-01-01",
            "created_after",
            "Not served together with started_after and started_before. Allowed: one of them.",
        ),
        (
            "ordering=-priority&created_after=2026-01-01",
            "ordering",
            "Invalid value '-priority'. Allowed: -created_at, created_at (with created_after).",
        ),
    ],
)
def test_errors_say_what_is_allowed(as_user, query, parameter, message):
    assert as_user.get(f"/api/v1/jobs/?{query}").json() == {parameter: [message]}


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("jobs/", {"worker", "status", "completed_before", "ordering", "cursor", "limit", "format"}),
        ("events/", {"job", "type", "created_after", "ordering"}),
        ("jobs/{job}/events/", {"cursor", "limit", "format"}),
        ("jobs/counts/", {"format"}),
        ("events/recent/", {"format"}),
        ("jobs/{job}/", {"format"}),
        ("events/{event}/", {"format"}),
        ("tasks/{task}/", {"format"}),
        ("users/{user}/", {"format"}),
        ("users/", {"role", "active", "ordering", "cursor", "limit", "format"}),
        ("users/me/", {"format"}),
    ],
)
def test_unknown_parameters_are_refused_and_the_known_ones_named(as_moderator, moderator, path, known):
    rows = {
        "job": Job.objects.create(name="x"),
        "event": Event.objects.create(type="x"),
        "task": Task.objects.create(title="x"),
        "user": moderator,
    }
    url = f"/api/v1/{path.format(**{name: row.pk for name, row in rows.items()})}"
    response = as_moderator.get(f"{url}?banana=1&status__in=pending")
    assert response.status_code == 400
    assert list(response.json()) == ["banana", "status__in"]
    start, _, names_known = response.json()["banana"][0].partition(" Known: ")
    assert start == "Unknown query parameter."
    assert known <= set(names_known.rstrip(".").split(", "))
    assert as_moderator.get(f"{url}?format=json").status_code == 200


# --- Pages --------------------------------------------------------------------------------------------------


def test_the_default_page_has_100_rows_and_the_largest_1000(as_user):
    Event.objects.bulk_create(Event(type="x", created_at=NOON) for _ in range(1001))
    sizes = {"": 100, "?limit=1000": 1000, "?limit=1001": 1000, f"?limit={'9' * 500}": 1000, "?limit=007": 7}
    assert {query: len(rows_of(as_user, f"/api/v1/events/{query}")) for query in sizes} == sizes


def test_rows_that_come_and_go_do_not_shift_the_pages(as_user, seven):
    first = as_user.get("/api/v1/jobs/?limit=3&ordering=created_at").json()
    Job.objects.filter(pk=seven[0].pk).delete()
    Job.objects.filter(pk=first["results"][-1]["id"]).delete()
    Job.objects.create(name="earlier", created_at=NOON - timedelta(days=1))
    assert [row["name"] for row in rows_of(as_user, first["next"])] == ["3", "4", "5"]


def test_a_page_that_has_emptied_leads_back_to_the_rows_that_are_left(as_user, seven):
    second = as_user.get("/api/v1/jobs/?limit=3&ordering=created_at").json()["next"]
    third = as_user.get(second).json()["next"]
    before = as_user.get(second).json()["previous"]
    Job.objects.filter(name="6").delete()
    emptied = as_user.get(third).json()
    assert (emptied["results"], emptied["next"]) == ([], None)
    assert [row["name"] for row in rows_of(as_user, emptied["previous"])] == ["3", "4", "5"]
    assert as_user.get(emptied["previous"]).json()["next"] is None
    Job.objects.filter(name__in="012").delete()
    emptied = as_user.get(before).json()
    assert (emptied["results"], emptied["previous"]) == ([], None)
    assert [row["name"] for row in rows_of(as_user, emptied["next"])] == ["3", "4", "5"]


def test_a_short_page_has_a_next_one_until_every_row_is_reached(as_user, jobs, monkeypatch):
    monkeypatch.setattr(bounded_scan, "SCAN_LIMIT", 1)
    url, pages = "/api/v1/jobs/?started_after=2026-01-01&status=running", []
    while url:
        page = as_user.get(url).json()
        pages.append([row["name"] for row in page["results"]])
        url = page["next"]
    assert len(pages) == 4
    assert list(chain.from_iterable(pages)) == ["b"]


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "other",
    [
        "/api/v1/jobs/?limit=3&ordering=created_at",
        "/api/v1/jobs/?limit=3&status=pending",
        "/api/v1/jobs/?limit=3&priority=0",
        "/api/v1/events/?limit=3",
        "/api/v1/tasks/?limit=3",
    ],
)
def test_a_cursor_is_valid_for_its_list_filters_and_order_alone(as_user, seven, other):
    cursor = as_user.get("/api/v1/jobs/?limit=3").json()["next"].partition("cursor=")[2].partition("&")[0]
    assert as_user.get(f"/api/v1/jobs/?limit=5&cursor={cursor}").status_code == 200
    response = as_user.get(f"{other}&cursor={cursor}")
    assert response.status_code == 400
    assert list(response.json()) == ["cursor"]


@pytest.mark.one_engine
def test_links_keep_the_other_parameters(as_user, seven):
    first = as_user.get("/api/v1/jobs/?status=pending&limit=3&worker=%20&ordering=created_at").json()
    second = as_user.get(first["next"]).json()
    assert [row["name"] for row in second["results"]] == ["3", "4", "5"]
    for url in (first["next"], second["next"], second["previous"]):
        assert url.startswith("http://testserver/api/v1/jobs/?")
        query = parse_qs(urlsplit(url).query)
        assert {name: query[name] for name in query if name != "cursor"} == {
            "status": ["pending"],
            "limit": ["3"],
            "worker": [" "],
            "ordering": ["created_at"],
        }


@pytest.mark.parametrize("url", ["jobs/?limit=3", "jobs/?limit=3&worker=x&queue=default", "events/recent/"])
def test_a_page_is_one_query_beside_the_users(as_user, seven, url, django_assert_num_queries):
    with django_assert_num_queries(2):
        page = as_user.get(f"/api/v1/{url}").json()
    if page["next"]:
        with django_assert_num_queries(2):
            as_user.get(page["next"])
