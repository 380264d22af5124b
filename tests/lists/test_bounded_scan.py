"""Bounded scans: pages are short rather than slow, say where they stopped, and are read by an index."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from orchestrator.listing import Cursor, Period, Selection, bounded_scan
from orchestrator.lists import JOBS
from orchestrator.models import Job

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 23, tzinfo=UTC)
BY_START = next(order for order in JOBS.orders if order.name == "started_at")


@pytest.fixture
def jobs(monkeypatch):
    """Thirty jobs in order of their start; the first, second and last are in the queue "rare"."""
    monkeypatch.setattr(bounded_scan, "SCAN_LIMIT", 10)
    return Job.objects.bulk_create(
        Job(
            name=str(n),
            queue="rare" if n in (0, 1, 29) else "default",
            started_at=START + timedelta(seconds=n),
        )
        for n in range(30)
    )


def selection(**conditions):
    return Selection(JOBS, {"started_at": Period(START), **conditions}, BY_START)


def test_a_page_that_is_not_full_says_where_the_scan_stopped(jobs):
    cursor, pages = Cursor(), []
    while cursor is not None:
        page = selection(queue="rare").page(cursor, 5)
        pages.append(([row.name for row in page.rows], page.scan_stopped))
        cursor = page.next
    assert pages == [(["0", "1"], True), ([], True), (["29"], True), ([], False)]


def test_a_full_page_goes_on_after_its_last_row(jobs):
    page = selection(queue="rare").page(size=1)
    assert ([row.name for row in page.rows], page.scan_stopped) == (["0"], False)
    assert [row.name for row in selection(queue="rare").page(page.next, 1).rows] == ["1"]


def test_an_empty_page_leads_back(jobs):
    page = selection(queue="rare").page(size=5)
    while page.rows:
        page = selection(queue="rare").page(page.next, 5)
    while not page.rows:
        page = selection(queue="rare").page(page.previous, 5)
    assert [row.name for row in page.rows] == ["0", "1"]


def test_rows_are_counted_where_one_scan_reads_them_all(jobs, monkeypatch):
    assert selection(queue="rare").count() is None
    assert selection().count() is None
    monkeypatch.setattr(bounded_scan, "SCAN_LIMIT", 30)
    assert (selection(queue="rare").count(), selection().count()) == (3, 30)


def test_the_statement_reads_the_index_and_never_the_whole_table(django_assert_num_queries):
    page = selection(queue="rare")
    sql, parameters = bounded_scan.select(page.walk(), page.residual, '"jobs"."id"', 101)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN {sql}", parameters)
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert plan.count("ix_jobs_started_at") == 2
    assert "Seq Scan on jobs" not in plan
    assert plan.count("SCAN jobs") == plan.count("CO-ROUTINE jobs")  # the scanned rows go by the table's name
