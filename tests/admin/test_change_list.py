"""The console's lists: declared filters and orders only, every row reached, and links that keep the query.

Which rows a page has, and in which order, is tested in ``tests/lists``.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.contrib import admin
from django.test import RequestFactory

from orchestrator.admin.base import KeysetModelAdmin
from orchestrator.admin.change_list import KeysetChangeList
from orchestrator.choices import JobStatus, Role
from orchestrator.listing import bounded_scan
from orchestrator.models import Event, Job, Task, User

JOBS = "/admin/orchestrator/job/"
START = datetime(2026, 11, 1, tzinfo=UTC)
#: Many rows of one time, one name and one priority.
NUMBER = 47


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr(KeysetModelAdmin, "list_per_page", 10)
    monkeypatch.setattr(bounded_scan, "SCAN_LIMIT", 13)
    monkeypatch.setattr(KeysetChangeList, "scan_limit", 13)


def rows_of_every_table():
    for n in range(NUMBER):
        at = START + timedelta(seconds=n // 7)
        yield Job(
            name=f"Nightly {n // 20}",
            priority=n % 2,
            worker="w" if n % 4 else None,
            queue="rare" if n in (0, 1, 40) else "default",
            created_at=at,
            status=JobStatus.PENDING if n % 3 else JobStatus.CANCELLED,
            completed_at=None if n % 3 else at,
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


def visit(user, url):
    """Return the change list of a URL."""
    request = RequestFactory().get(url)
    request.user = user
    model = {"job": Job, "event": Event, "task": Task, "user": User}[url.split("/")[3]]
    return admin.site.get_model_admin(model).get_changelist_instance(request)


def walk(user, page, query, step):
    """Return the ids of a page and its followers, page by page."""
    url, pages = f"{page}{query}", []
    while url is not None:
        seen = visit(user, url)
        pages.append([row.pk for row in seen.result_list])
        following = seen.links[step]
        url = following and f"{page}{following}"
        assert len(pages) < 30
    return pages


def joined(pages):
    return [row for page in pages for row in page]


CASES = [
    ("job", "", 47),
    ("job", "status=cancelled&o=-5", 16),
    ("job", "worker=w&status=cancelled&priority=1", 8),
    ("job", "q=Nightly+1&status=pending&o=0", 13),
    ("job", "created_after=2026-11-01T00:00:02Z&created_before=2026-11-01T00:00:05Z&queue=rare", 0),
    ("job", "queue=rare&worker=w", 1),
    ("event", f"q={UUID(int=1)}&type=t1", 23),
    ("event", "q=t0", 24),
    ("task", "q=Task+1", 20),
    ("user", "q=user+1", 10),
    ("user", "role=moderator&active=false", 16),
    ("user", "q=u7@X.org", 1),
]


# Which rows a page has is tested on both engines, in tests/lists.
@pytest.mark.one_engine
@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize(("model", "query", "number"), CASES)
def test_every_row_is_reached_once_in_each_direction(admin_user, model, query, number):
    page = f"/admin/orchestrator/{model}/"
    first = visit(admin_user, f"{page}?{query}")
    forwards = walk(admin_user, page, f"?{query}", "next")
    assert joined(forwards) == list(
        first.selection.all_rows.order_by(
            *(f"{'-' * first.selection.order.descending}{name}" for name in first.selection.order.columns)
        ).values_list("pk", flat=True)
    )
    assert len(joined(forwards)) == number
    assert first.links["first"] is None
    backwards = walk(admin_user, page, first.links["last"] or f"?{query}", "previous")
    assert joined(backwards[::-1]) == joined(forwards)
    assert first.total in (None, number)


@pytest.mark.usefixtures("_tables")
def test_a_page_without_a_match_links_to_both_neighbours(console, moderator):
    found = walk(moderator, JOBS, "?q=Nightly&queue=rare", "next")
    assert sorted(len(page) for page in found) == [0, 0, 1, 2]
    urls, url = [], "?q=Nightly&queue=rare"
    while url:
        urls.append(url)
        url = visit(moderator, f"{JOBS}{url}").links["next"]
    empty = next(url for url, page in zip(urls, found, strict=True) if not page)
    content = console.get(f"{JOBS}{empty}").content.decode()
    assert "none of the 13 jobs scanned for this page matches" in content or "No matching jobs" in content
    assert visit(moderator, f"{JOBS}{empty}").links["previous"]


@pytest.mark.usefixtures("_tables")
def test_totals_are_exact_where_they_are_known(console):
    for query, total, words in (
        ({}, 47, "47 jobs"),
        ({"status": "pending"}, 31, "31 jobs"),
        ({"priority": "1"}, None, "More than 13 jobs"),
        ({"q": "Nightly 2"}, 7, "7 jobs"),
        ({"worker": "w", "queue": "default"}, None, "10 on this page"),
        ({"q": "nothing"}, 0, "No matching jobs."),
    ):
        response = console.get(JOBS, query)
        assert response.context["cl"].total == total
        assert words in response.content.decode()


@pytest.mark.one_engine
@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize("text", ["nonsense", "AAAA", "ü", "=" * 20])
def test_an_invalid_cursor_leads_to_the_first_page(console, text):
    response = console.get(JOBS, {"cursor": text, "status": "pending"})
    assert "That page is not part of this list" in response.content.decode()
    assert len(response.context["cl"].result_list) == 10


@pytest.mark.usefixtures("_tables")
def test_a_cursor_is_valid_for_its_filters_and_order_only(console, moderator):
    cursor = visit(moderator, JOBS).links["next"].partition("cursor=")[2]
    for query in ("status=pending", "q=Nightly", "o=3", "worker=w"):
        assert "not part of this list" in console.get(f"{JOBS}?{query}&cursor={cursor}").content.decode()


@pytest.mark.usefixtures("_tables")
def test_links_keep_filters_and_order_and_drop_the_cursor(console, moderator):
    first = visit(moderator, f"{JOBS}?priority=1&o=5")
    second = visit(moderator, f"{JOBS}{first.links['next']}")
    assert "priority=1" in second.links["next"]
    assert "o=5" in second.links["next"]
    assert second.links["first"] == "?o=5&priority=1"
    content = console.get(f"{JOBS}{first.links['next']}").content.decode()
    filters = content.split('id="changelist-filter"')[1]
    assert "cursor=" not in filters
    assert "status=failed" in filters


@pytest.mark.one_engine
@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize(
    ("query", "offered"),
    [
        ("", {"name", "priority", "created"}),
        ("status=pending", {"name", "priority", "created"}),
        ("created_after=2026-11-01", {"created"}),
        ("q=Nightly", {"name"}),
        ("q=Nightly&priority=1", {"name"}),
    ],
)
def test_only_orders_that_an_index_has_are_offered(moderator, query, offered):
    shown = visit(moderator, f"{JOBS}?{query}")
    assert set(shown.sortable_by) == offered
    for column in range(len(shown.list_display)):
        order = visit(moderator, f"{JOBS}?{query}&o={column}").selection.order
        assert {"created_at": "created"}.get(order.column, order.column) in offered


@pytest.mark.usefixtures("_tables")
def test_stored_values_are_suggested_and_others_can_be_typed_in(console):
    content = console.get(JOBS, {"worker": "gpu-9", "status": "failed"}).content.decode()
    assert '<input type="hidden" name="status" value="failed">' in content
    assert "gpu-9</a>" in content
    assert "queue=rare" in content
    assert ">rare</a>" in content
    assert content.index(">1</a>") < content.index(">0</a>")  # priorities, the highest first


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize("model", ["job", "event", "task", "user"])
def test_each_list_has_a_search_box_that_keeps_the_filters(admin_console, model):
    content = admin_console.get(f"/admin/orchestrator/{model}/?q=t1").content.decode()
    form = content.split('id="changelist-search"')[1].split("</form>")[0]
    assert 'name="q" value="t1"' in form
    content = admin_console.get(f"{JOBS}?status=failed").content.decode()
    form = content.split('id="changelist-search"')[1].split("</form>")[0]
    assert '<input type="hidden" name="status" value="failed">' in form


UNDECLARED = [
    "name__regex=(a%2B)%2Bb",
    "created_at__year=99999",
    "created_at__gte=2026-01-01",
    "priority__gt=100000000000000000000",
    "description__contains=%00",
    "priority=100000000000000000000",
    "status=banana",
    "status__exact=failed",
    "worker=%00",
    "created_after=never",
    "started_after=2026-01-01",
    "q=Nightly&created_after=2026-01-01",
    "id=x",
    "user__password=x",
    "e=1&banana=1",
    "q=%00",
]


@pytest.mark.one_engine
def test_undeclared_queries_redirect_to_the_whole_list_with_a_warning(console, job):
    for query in UNDECLARED:
        response = console.get(f"{JOBS}?{query}")
        assert (response.status_code, response["Location"]) == (302, JOBS), query
    response = console.get(JOBS)
    assert response.status_code == 200
    assert response.content.decode().count("Showing the whole list.") == len(UNDECLARED)
    assert response.context["cl"].result_list == [job]
    assert "Showing the whole list." not in console.get(JOBS).content.decode()


@pytest.mark.one_engine
@pytest.mark.parametrize("query", UNDECLARED[:3])
def test_an_action_on_an_undeclared_list_does_nothing(console, job, query):
    fields = {"action": "delete_selected", "index": "0", "select_across": "1"}
    response = console.post(f"{JOBS}?{query}", fields)
    assert (response.status_code, response["Location"]) == (302, JOBS)
    assert Job.objects.get() == job
