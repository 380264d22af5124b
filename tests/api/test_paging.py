"""Paging: every row once, in order, both ways, at the same cost on every page."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import prepared
from orchestrator.choices import JobStatus, Role
from orchestrator.models import Event, Job, Task, User
from tests.users import make_user

pytestmark = pytest.mark.django_db

INSTANTS = [datetime(2026, 11, 23, 9, 0, tzinfo=UTC) + timedelta(microseconds=n * 500_000) for n in range(3)]
TITLES = ["a", "A", "ab", "é", "\U0001f680", "\uffee", "Z", "日本"]
ORDERS = {
    "jobs": {
        "-created_at": (True, "created_at", "id"),
        "created_at": (False, "created_at", "id"),
        "-priority": (True, "priority", "created_at", "id"),
    },
    "events": {"-created_at": (True, "created_at", "id"), "created_at": (False, "created_at", "id")},
    "tasks": {
        "-created_at": (True, "created_at", "id"),
        "created_at": (False, "created_at", "id"),
        "title": (False, "title", "created_at", "id"),
    },
    "users": {"username": (False, "username", "id"), "-created_at": (True, "created_at", "id")},
}
LISTS = [(name, order) for name, orders in ORDERS.items() for order in orders]
some = {"created_at": st.sampled_from(INSTANTS), "id": st.uuids()}
ROWS = {
    "jobs": st.builds(Job, priority=st.integers(-1, 1), **some),
    "events": st.builds(Event, **some),
    "tasks": st.builds(Task, title=st.sampled_from(TITLES), **some),
    "users": st.builds(User, **some),
}


def fill(name, rows):
    """Store the rows and nothing else in the table; return them all, the user who asks included."""
    if name == "users":
        for number, row in enumerate(rows):
            row.username, row.email = f"{TITLES[number % 8]}{number}", f"{number}@example.org"
    model = {"jobs": Job, "events": Event, "tasks": Task, "users": User}[name]
    model.objects.exclude(**{"username": "moderator"} if name == "users" else {}).delete()
    model.objects.bulk_create(rows)
    return list(model.objects.all())


def walk(client, address, direction="next"):
    """Return the pages from an address on, as lists of ids, and the last answer."""
    pages, answer = [], None
    while address:
        answer = client.get(address).json()
        pages.append([row["id"] for row in answer["results"]])
        address = answer[direction]
        assert len(pages) < 100
    return pages, answer


def flat(pages):
    return [row for page in pages for row in page]


@pytest.mark.parametrize(("name", "order"), LISTS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.slow
def test_a_walk_shows_every_row_once_in_order_and_back_again(as_moderator, name, order, data):
    rows = fill(name, data.draw(st.lists(ROWS[name], max_size=12, unique_by=lambda row: row.id)))
    descending, *columns = ORDERS[name][order]
    wanted = [str(row.id) for row in sorted(rows, key=attrgetter(*columns), reverse=descending)]
    limit = data.draw(st.integers(1, 5))
    forth, last = walk(as_moderator, f"/api/v1/{name}/?ordering={order}&limit={limit}")
    assert flat(forth) == wanted
    assert all(len(page) == limit for page in forth[:-1])
    assert forth == [[]] or forth[-1]
    if last["previous"]:
        back, first = walk(as_moderator, last["previous"], "previous")
        assert [*reversed(back), forth[-1]] == forth
        assert flat(walk(as_moderator, first["next"])[0]) == wanted[limit:]


@pytest.fixture
def seven(db):
    return Job.objects.bulk_create(Job(name=str(n), created_at=INSTANTS[0]) for n in range(7))


def test_the_default_page_has_100_rows_and_the_largest_1000(as_user):
    Event.objects.bulk_create(Event(type="x", created_at=INSTANTS[0]) for _ in range(1001))
    sizes = {"": 100, "?limit=1000": 1000, "?limit=1001": 1000, f"?limit={'9' * 500}": 1000, "?limit=007": 7}
    assert {query: len(walk_one(as_user, f"/api/v1/events/{query}")) for query in sizes} == sizes


def walk_one(client, address):
    return client.get(address).json()["results"]


def test_rows_that_come_and_go_do_not_shift_the_pages(as_user, seven):
    first = as_user.get("/api/v1/jobs/?limit=3&ordering=created_at").json()
    Job.objects.filter(pk=seven[0].pk).delete()
    Job.objects.filter(pk=first["results"][-1]["id"]).delete()
    Job.objects.create(name="earlier", created_at=INSTANTS[0] - timedelta(days=1))
    assert [row["name"] for row in walk_one(as_user, first["next"])] == ["3", "4", "5"]


def test_a_page_that_has_emptied_leads_back_to_what_is_there(as_user, seven):
    second = as_user.get("/api/v1/jobs/?limit=3&ordering=created_at").json()["next"]
    third = as_user.get(second).json()["next"]
    before = as_user.get(second).json()["previous"]
    Job.objects.filter(name="6").delete()
    emptied = as_user.get(third).json()
    assert (emptied["results"], emptied["next"]) == ([], None)
    assert [row["name"] for row in walk_one(as_user, emptied["previous"])] == ["3", "4", "5"]
    assert as_user.get(emptied["previous"]).json()["next"] is None
    Job.objects.filter(name__in="012").delete()
    emptied = as_user.get(before).json()
    assert (emptied["results"], emptied["previous"]) == ([], None)
    assert [row["name"] for row in walk_one(as_user, emptied["next"])] == ["3", "4", "5"]


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
def test_a_cursor_is_good_for_its_list_filters_and_order_alone(as_user, seven, other):
    cursor = as_user.get("/api/v1/jobs/?limit=3").json()["next"].partition("cursor=")[2].partition("&")[0]
    assert as_user.get(f"/api/v1/jobs/?limit=5&cursor={cursor}").status_code == 200
    answer = as_user.get(f"{other}&cursor={cursor}")
    assert answer.status_code == 400
    assert list(answer.json()) == ["cursor"]


def test_links_keep_the_filters_and_the_limit(as_user, seven):
    page = as_user.get("/api/v1/jobs/?status=pending&limit=3&ordering=created_at").json()
    assert page["next"].startswith("http://testserver/api/v1/jobs/?")
    assert {"status=pending", "limit=3", "ordering=created_at"} <= set(
        page["next"].partition("?")[2].split("&")
    )


# --- Cost ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", [f"{name}/?limit=5&ordering={order}" for name, order in LISTS] + ["events/recent/"]
)
def test_a_page_is_one_query_beside_the_users(as_moderator, address, django_assert_num_queries):
    for name in ("jobs", "events", "tasks"):
        fill(name, [{"jobs": Job, "events": Event, "tasks": Task}[name]() for _ in range(7)])
    for number in range(7):
        make_user(f"u{number}", Role.USER)
    with django_assert_num_queries(2):
        page = as_moderator.get(f"/api/v1/{address}").json()
    if page["next"]:
        with django_assert_num_queries(2):
            as_moderator.get(page["next"])


def page_queries(client, address):
    """Return the SQL of the first and the second page."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        client.get(client.get(address).json()["next"])
    return [
        query["sql"]
        for query in captured
        if " LIMIT " in query["sql"] and '"users"."id" =' not in query["sql"]
    ]


@pytest.mark.parametrize(("name", "order"), LISTS)
def test_deep_pages_compare_row_values_and_never_skip_or_count_rows(as_moderator, name, order):
    for number in range(3):
        make_user(f"u{number}")
    if name != "users":
        fill(name, [{"jobs": Job, "events": Event, "tasks": Task}[name]() for _ in range(3)])
    first, second = page_queries(as_moderator, f"/api/v1/{name}/?limit=1&ordering={order}")
    columns = ", ".join(f'"{name}"."{column}"' for column in ORDERS[name][order][1:])
    assert f"({columns}) {'<' if order.startswith('-') else '>'} (" in second
    for sql in (first, second):
        assert " OR " not in sql
        assert "OFFSET" not in sql
        assert "COUNT" not in sql.upper()


INDEXES = {
    ("jobs", "-created_at", ""): "ix_jobs_created_at",
    ("jobs", "created_at", ""): "ix_jobs_created_at",
    ("jobs", "-priority", ""): "ix_jobs_priority_created_at",
    ("jobs", "-created_at", "status=pending"): "ix_jobs_status_created_at",
    ("jobs", "-priority", "status=pending"): "ix_jobs_status_prio_created",
    ("jobs", "-created_at", "priority=0"): "ix_jobs_priority_created_at",
    ("events", "-created_at", ""): "ix_events_created_at",
    ("events", "-created_at", "type=x"): "ix_events_type_created_at",
    ("tasks", "-created_at", ""): "ix_tasks_created_at",
    ("tasks", "title", ""): "ix_tasks_title_created_at",
    ("tasks", "-created_at", "title=x"): "ix_tasks_title_created_at",
    ("users", "username", ""): "ix_users_username",
}


@pytest.mark.sqlite
@pytest.mark.parametrize(("name", "order", "query"), INDEXES)
def test_every_page_searches_its_index(as_moderator, name, order, query):
    """The plan on SQLite, which depends on no statistics."""
    rows = {"jobs": Job, "events": Event, "tasks": Task}
    for number in range(3):
        make_user(f"u{number}")
    if name != "users":
        made = [rows[name]() for _ in range(3)]
        for row in made:
            row.type = row.title = "x"
            row.status = JobStatus.PENDING
        fill(name, made)
    _, second = page_queries(as_moderator, f"/api/v1/{name}/?limit=1&ordering={order}&{query}")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {second}")
        plan = [row[3] for row in cursor.fetchall()]
    assert plan[0].startswith(f"SEARCH {name} USING INDEX {INDEXES[name, order, query]} (")
    assert not any("SCAN" in step or step == "USE TEMP B-TREE FOR ORDER BY" for step in plan)


def test_the_sql_of_a_first_page_is_made_once(as_user, monkeypatch):
    kept = OrderedDict()
    monkeypatch.setattr(prepared, "_kept", kept)
    Job.objects.create(name="first")
    addresses = ("/api/v1/jobs/", "/api/v1/jobs/?n=1", "/api/v1/jobs/?limit=1&ordering=-priority")
    for number, address in enumerate(addresses):
        before = as_user.get(address).json()["results"]
        job = Job.objects.create(name="second", priority=number)
        after = as_user.get(address).json()["results"]

        assert str(job.pk) not in [row["id"] for row in before]
        assert str(job.pk) in [row["id"] for row in after]
    assert len(kept) == 2  # by path, order and limit
    as_user.get("/api/v1/jobs/?started_after=2026-11-23")  # whose SQL has ids in it
    assert len(kept) == 2


def test_few_queries_are_kept(as_user, monkeypatch):
    kept = OrderedDict()
    monkeypatch.setattr(prepared, "_kept", kept)
    monkeypatch.setattr(prepared, "KEPT", 3)
    for limit in range(1, 6):
        as_user.get(f"/api/v1/jobs/?limit={limit}")
    assert [limit for _, _, limit in kept] == [3, 4, 5]


def test_a_link_keeps_what_else_the_address_says(as_user):
    for number in range(3):
        Job.objects.create(name=f"{number}")
    first = as_user.get("/api/v1/jobs/?status=pending&limit=1&x=%20%26").json()
    second = as_user.get(first["next"]).json()
    third = as_user.get(second["next"]).json()

    names = [page["results"][0]["name"] for page in (first, second, third)]
    assert names == ["2", "1", "0"]
    assert third["next"] is None
    for address in (first["next"], second["next"], second["previous"], third["previous"]):
        assert parse_qs(urlsplit(address).query)["x"] == [" &"]
