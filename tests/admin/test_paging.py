"""The lists by page: every row is reached once, forwards and backwards, in every order, by every filter."""

from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, product
from uuid import UUID

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory

from monitoring.hot_queries import of_rows
from orchestrator import walks
from orchestrator.admin.base import TableAdmin
from orchestrator.choices import JobStatus, Role
from orchestrator.cursors import Cursor
from orchestrator.hot_pages import page_queries
from orchestrator.models import Event, Job, Task, User
from orchestrator.ways import WAYS

JOBS = "/admin/orchestrator/job/"
START = datetime(2026, 11, 1, tzinfo=UTC)
#: Many rows of one instant, one name and one priority.
NUMBER = 47


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr(TableAdmin, "list_per_page", 10)
    monkeypatch.setattr(walks, "LOOKED_AT", 13)


def rows_of_every_table():
    for n in range(NUMBER):
        at = START + timedelta(seconds=n // 7)
        status = JobStatus.PENDING if n % 3 else JobStatus.CANCELLED
        more = {"metadata": {"rare": 1}} if n in (0, 1, 40) else {}
        yield Job(
            name=f"Nightly {n // 20}",
            priority=n % 2,
            worker="w" if n % 4 else None,
            created_at=at,
            status=status,
            completed_at=None if n % 3 else at,
            **more,
        )
        yield Event(type=f"t{n % 2}", created_at=at, job_id=UUID(int=n % 2))
        yield Task(title=f"Task {n // 20}", created_at=at)
        yield User(
            username=f"user {n:02}",
            email=f"u{n}@x.org",
            created_at=at,
            active=bool(n % 2),
            role=Role.MODERATOR if n % 3 else Role.USER,
        )


@pytest.fixture
def _tables(db):
    for row in rows_of_every_table():
        row.save()


def visit(user, address):
    """Return the list of an address, as its page gets it: without the page around it."""
    request = RequestFactory().get(address)
    request.user = user
    model = {"job": Job, "event": Event, "task": Task, "user": User}[address.split("/")[3]]
    return admin.site.get_model_admin(model).get_changelist_instance(request)


def walk(user, page, query, step):
    """Return the ids of all pages from one on, page by page."""
    address, pages = f"{page}{query}", []
    while address is not None:
        seen = visit(user, address)
        pages.append([row.pk for row in seen.result_list])
        following = getattr(seen.links, step)
        address = following and f"{page}{following}"
        assert len(pages) < 30
    return pages


def joined(pages):
    return [row for page in pages for row in page]


FILTERS = {
    "job": (
        "",
        "status__exact=cancelled",
        "priority=1",
        "status__exact=pending&priority=0",
        "status__exact=pending&status__exact=cancelled",
        "worker=w",
        "worker=w&status__exact=cancelled&priority=1",
        "q=Night",
        "q=Nightly+1&status__exact=pending",
        "q=metadata:rare",
        "q=metadata:rare&worker=w",
        "created_at__gte=2026-11-01+00:00:02%2B00:00&created_at__lt=2026-11-01+00:00:05%2B00:00",
        "created_at__gte=2026-11-01+00:00:02%2B00:00&worker=w",
        "attempts=0",
        "attempts=1",
    ),
    "event": ("", "type=t1", f"q={UUID(int=1)}", f"q={UUID(int=1)}&type=t1", "q=t0&type=t1"),
    "task": ("", "q=Task+1", "q=Task&created_at__gte=2026-11-01+00:00:02%2B00:00", "version=1"),
    "user": ("", "role__exact=moderator", "active__exact=0", "q=user+1", "q=user&active__exact=1"),
}
CASES = [(model, query) for model, queries in FILTERS.items() for query in queries]


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize(("model", "query"), CASES)
@pytest.mark.slow
def test_every_row_is_reached_once_in_each_direction(admin_user, model, query):
    page = f"/admin/orchestrator/{model}/"
    whole = visit(admin_user, f"{page}?{query}")
    expected = set(whole.listing.shown.values_list("pk", flat=True))
    columns = [number for number, name in enumerate(whole.list_display) if name in whole.sortable_by]
    assert columns, "no order is offered"
    for column, sign in product(columns, ("", "-")):
        address = f"?{query}&o={sign}{column}"
        forwards = walk(admin_user, page, address, "following")
        first = visit(admin_user, f"{page}{address}")
        assert first.get_ordering_field_columns() == {column: "desc" if sign else "asc"}
        ordered = first.listing.shown.order_by(*first.listing.order.fields(backward=False))
        assert joined(forwards) == list(ordered.values_list("pk", flat=True))
        assert set(joined(forwards)) == expected
        last = first.links.last
        assert (last is None) == (len(forwards) == 1)
        backwards = walk(admin_user, page, last or address, "previous")
        assert joined(backwards[::-1]) == joined(forwards)
        assert first.links.first is None
        for shown in (first, visit(admin_user, f"{page}{last or address}")):
            assert shown.total in (None, len(expected))


#: What each filter is called in an address, with a value.
ASKED = {
    "status": "status__exact=failed",
    "priority": "priority=20",
    "worker": "worker=w",
    "created_at": "created_at__gte=2026-11-01+00:00:00%2B00:00&created_at__lt=2026-11-02+00:00:00%2B00:00",
    "name": "q=Nightly",
    "type": "type=job_failed",
    "job": f"q={UUID(int=1)}",
    "title": "q=Re",
    "username": "q=m",
    "role": "role__exact=moderator",
    "active": "active__exact=0",
}


@pytest.mark.parametrize("table", ["jobs", "events", "tasks", "users"])
@pytest.mark.slow
def test_what_is_declared_is_what_the_list_asks(admin_user, table):
    """Each page's statement is that of a hot query, whose plan ``tests/queries`` looks at."""
    queries = [query for query in page_queries() if query.table == table]
    assert len(queries) > 10
    for query in queries:
        assert conditions_of(asked_by_the_list(admin_user, query)) == conditions_of(
            query.statement(connection)
        )


#: Filters that find one row: a primary key or a unique index serves them.
ONE_ROW = {"id", "email"}


@pytest.mark.engine_neutral
@pytest.mark.parametrize("table", ["jobs", "events", "tasks", "users"])
def test_what_a_way_takes_is_declared_in_each_order(table):
    declared = {
        (frozenset(filters), order.partition(" ")[0])
        for query in page_queries()
        if query.table == table
        for filters, order in [filters_and_order_of(query)]
    }
    names = ["id", "email", "key", "other", *ASKED]
    for asked in chain.from_iterable(combinations(names, size) for size in range(4)):
        way = WAYS[table](asked)
        taken = way.takes.intersection(asked)
        assert taken & ONE_ROW or {(taken, order) for order in way.orders} <= declared, asked


def filters_and_order_of(query):
    filters, _, order = query.name.removeprefix(f"the admin's {query.table}").partition(", ")
    return [name for name in filters.removeprefix(" by ").split(" and ") if name], order


def asked_by_the_list(user, query):
    """Return the statement of the page that a hot query is about, as the list makes it."""
    filters, order = filters_and_order_of(query)
    asked = "&".join(ASKED[name] for name in filters)
    page = f"/admin/orchestrator/{query.table.removesuffix('s')}/?{asked}"
    sign, column = ("-", order[1:]) if order.startswith("-") else ("", order)
    shown = visit(user, page)
    columns = [shown.column_of(name) for name in shown.list_display]
    listing = visit(user, f"{page}&o={sign}{columns.index(column.split()[0])}").listing
    assert listing.rest is None
    position = tuple({"priority": 0, "id": UUID(int=0)}.get(name, START) for name in listing.order.columns)
    later = Cursor(position=position) if order.endswith("next page") else Cursor()
    return of_rows(listing.beginning(later))(connection)


def conditions_of(statement):
    """Return a statement without its columns and its limit."""
    return statement.sql.partition(" FROM ")[2].partition(" LIMIT ")[0]


@pytest.mark.usefixtures("_tables")
def test_a_page_without_a_match_leads_on_and_back(console, moderator):
    found = walk(moderator, JOBS, "?q=metadata:rare", "following")
    assert [len(page) for page in found] == [1, 0, 0, 2]
    empty = visit(moderator, f"{JOBS}{visit(moderator, f'{JOBS}?q=metadata:rare').links.following}")
    content = console.get(f"{JOBS}{empty.links.previous}").content.decode()
    assert "Nightly 2" in content
    assert "13 jobs were looked at" in content
    content = console.get(JOBS + visit(moderator, f"{JOBS}?q=metadata:rare").links.following).content.decode()
    assert "None of the 13 jobs that were looked at matches" in content


@pytest.mark.usefixtures("_tables")
def test_totals_are_exact_where_they_are_known(console, moderator, monkeypatch):
    monkeypatch.setattr("orchestrator.admin.paging.COUNTED", 20)
    for query, total, told in (
        ({}, 47, "47 jobs"),
        ({"status__exact": "pending"}, 31, "31 jobs"),
        ({"priority": "1"}, None, "More than 20 jobs"),
        ({"q": "Nightly 2"}, 7, "7 jobs"),
        ({"attempts": "0"}, None, "10 on this page"),
        ({"q": "nobody"}, 0, "No job matches."),
    ):
        answer = console.get(JOBS, query)
        assert answer.context["cl"].total == total
        assert told in answer.content.decode()


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize("text", ["nonsense", "AAAA", "ü", "=" * 20])
def test_a_page_that_is_none_is_the_first(console, moderator, text):
    answer = console.get(JOBS, {"cursor": text})
    assert "That page is none of this list" in answer.content.decode()
    assert len(answer.context["cl"].result_list) == 10


@pytest.mark.usefixtures("_tables")
def test_a_page_belongs_to_its_filters_and_order(console, moderator):
    cursor = visit(moderator, JOBS).links.following.partition("cursor=")[2]
    for query in ("status__exact=pending", "q=Nightly", "o=3", "worker=w"):
        assert "none of this list" in console.get(f"{JOBS}?{query}&cursor={cursor}").content.decode()


@pytest.mark.usefixtures("_tables")
def test_links_keep_filters_and_order_and_leave_the_page_behind(console, moderator):
    first = visit(moderator, f"{JOBS}?priority=1&o=6")
    second = visit(moderator, f"{JOBS}{first.links.following}")
    assert "priority=1" in second.links.following
    assert "o=6" in second.links.following
    assert second.links.first == "?o=6&priority=1"
    content = console.get(f"{JOBS}{first.links.following}").content.decode()
    filters = content.split('id="changelist-filter"')[1]
    assert "cursor=" not in filters
    assert "status__exact=failed" in filters


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize(
    ("query", "offered"),
    [
        ("", {"name", "priority", "created"}),
        ("status__exact=pending", {"priority", "created"}),
        ("priority=1", {"created"}),
        ("worker=w", {"created"}),
        ("created_at__gte=2026-11-01+00:00:00%2B00:00", {"created"}),
        ("q=Nightly", {"name"}),
        ("q=Nightly&priority=1", {"name"}),
    ],
)
def test_only_orders_that_an_index_has_are_offered(console, moderator, query, offered):
    shown = visit(moderator, f"{JOBS}?{query}")
    assert set(shown.sortable_by) == offered
    for column in range(len(shown.list_display)):
        order = visit(moderator, f"{JOBS}?{query}&o={column}").listing.order
        assert {"created_at": "created"}.get(order.columns[0], order.columns[0]) in offered


@pytest.mark.usefixtures("_tables")
def test_what_is_typed_in_is_offered_from_then_on(console, moderator):
    content = console.get(JOBS, {"worker": "gpu-9", "status__exact": "failed"}).content.decode()
    assert '<input type="hidden" name="status__exact" value="failed">' in content
    assert "gpu-9</a>" in content
