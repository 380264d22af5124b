"""The console in a real browser: reading, filtering, changing, watching, accessibility, and phone width.

The pages are the same on both engines; the requests they send are tested on both in the other files.
"""

import re
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from orchestrator import actions, counts
from orchestrator.choices import ArchiveState, JobStatus
from orchestrator.console.models import BulkChange
from orchestrator.leases.claim import claim
from orchestrator.leases.heartbeat import heartbeat
from orchestrator.models import ArchiveFile, Event, Job
from tests import chromium
from tests.admin.browser import browser, violations
from tests.conftest import url_of_database
from tests.servers.stream import StreamServer
from tests.servers.web import WebServer, free_port
from tests.users import PASSWORD, make_user

pytestmark = pytest.mark.one_engine

#: Milliseconds to wait for what a page fetches by itself.
FETCH_TIMEOUT = 30_000
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 720}
NARROW = {"width": 400, "height": 800}
#: Pixels that a table has in a narrow window, however long the names in it are.
MAX_TABLE_WIDTH = 3 * NARROW["width"]
LONG = "Reconcile_the_ledger_of_all_subsidiaries_2026"
PAGES = (
    "/admin/",
    "/admin/?range=week",
    "/admin/orchestrator/job/",
    "/admin/orchestrator/job/?worker=none&priority=20",
    "/admin/orchestrator/event/",
    "/admin/orchestrator/task/",
    "/admin/orchestrator/user/",
    "/admin/queues/",
    "/admin/workers/",
    "/admin/cache/",
    "/admin/tables/",
    "/admin/queries/",
    "/admin/findings/",
    "/admin/archive/?dry_run=1",
    "/admin/orchestrator/job/add/",
    "/admin/password_change/",
)


@pytest.fixture(scope="module")
def started_browser(django_db_setup, tmp_path_factory):
    """A browser on the real servers. All start once: each test signs in to its own rows."""
    chromium.executable()
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (settings.STATIC_ROOT / "orchestrator" / "refresh.js").exists()
    log = tmp_path_factory.mktemp("web") / "log"
    port = free_port()
    server = WebServer(log, {"DATABASE_URL": url_of_database(), "STREAM_PORT": str(port)}, workers=1)
    stream = StreamServer(
        log.with_name("stream"), {"DATABASE_URL": url_of_database(), "PORT": str(server.port)}, port
    )
    with (
        pytest.MonkeyPatch.context() as environment,
        closing(server),
        closing(stream),
        browser(server.url, stream.url) as started,
    ):
        # Playwright's event loop runs in this thread: Django would refuse every query as asynchronous.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield started
        # The event loop has database connections of its own, which nothing else closes.
        connections.close_all()


@pytest.fixture
def screen(started_browser, transactional_db, moderator):
    """The browser, signed in as a moderator; it must log no error and no foreign request."""
    started_browser.complaints.clear()
    started_browser.sign_in(moderator.username, PASSWORD)
    yield started_browser
    started_browser.close_pages()
    assert started_browser.complaints == []


def failed(name, **fields):
    job = actions.create_job(by="ada", name=name, **fields)
    actions.change_status(job.pk, JobStatus.RUNNING, by="w")
    return actions.change_status(job.pk, JobStatus.FAILED, by="w", reason="No space left on device")


def test_the_documentation_lists_the_operations(screen):
    page = screen.page()
    page.goto("/api/v1/docs/")
    expect(page.get_by_text("/api/v1/jobs/{id}/status/").first).to_be_visible()


def test_an_operator_reads_filters_retries_and_cancels_many(screen, as_user):
    broken = failed("Broken import")
    Job.objects.bulk_create(Job(name=f"Nightly {number}") for number in range(1200))
    Job.objects.bulk_create(Job(name=f"Daily {number}", priority=5) for number in range(20))
    page = screen.page()
    assert as_user.get("/api/v1/jobs/counts/").json()["counts"]["pending"] == 1220

    page.goto("/admin/")
    expect(page.locator("#tile-pending")).to_contain_text("1,220")
    expect(page.get_by_text("No space left on device")).to_be_visible()
    page.locator("#tile-failed").click()
    page.get_by_role("link", name="Broken import").click()
    page.get_by_label("Reason").fill("The disk is larger now")
    page.get_by_role("button", name="Requeue").click()
    expect(page.get_by_text("“Broken import” is now pending.")).to_be_visible()
    expect(page.locator(".history").last).to_contain_text("The disk is larger now")
    assert Event.objects.of_job(broken.pk)[0].payload["by"] == "moderator"

    page.goto("/admin/orchestrator/job/?q=Nightly")
    page.get_by_label("Action:").select_option("cancel")
    page.get_by_label("all matching").check()
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="1,200 jobs will be changed")).to_be_visible()
    page.get_by_label("Reason").fill("Superseded")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("1,200 of 1,200 jobs changed")).to_be_visible(timeout=FETCH_TIMEOUT)
    expect(page.get_by_text("Finished")).to_be_visible()

    counts = as_user.get("/api/v1/jobs/counts/").json()["counts"]
    assert (counts["cancelled"], counts["pending"]) == (1200, 21)
    cancelled = Event.objects.filter(type="job_cancelled")
    assert [event.payload["reason"] for event in cancelled] == ["Superseded"] * 1200


def test_a_running_bulk_change_shows_progress_and_can_be_stopped(screen):
    Job.objects.bulk_create(Job(name=f"Nightly {number}") for number in range(10_000))
    page = screen.page()
    page.goto("/admin/orchestrator/job/")
    page.get_by_label("Action:").select_option("cancel")
    page.get_by_label("all matching").check()
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text(
        re.compile(r"[1-9][\d,]* of 10,000 jobs changed"), timeout=FETCH_TIMEOUT
    )
    expect(page.get_by_role("progressbar")).to_have_attribute("max", "10000")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped")).to_be_visible(timeout=FETCH_TIMEOUT)
    change = BulkChange.objects.get()
    assert 0 < change.changed < 10_000
    assert counts.jobs_by_status()["cancelled"] == change.changed


def test_the_dashboard_refreshes_and_keeps_open_details(screen):
    page = screen.page()
    page.goto("/admin/")
    page.evaluate("window.sameDocument = true")
    page.locator("#numbers-throughput summary").click()
    page.locator("#tile-failed").focus()
    expect(page.locator("#tile-pending")).to_contain_text("0")
    actions.create_job(by="ada", name="New")
    expect(page.locator("#tile-pending")).to_contain_text("1", timeout=FETCH_TIMEOUT)
    expect(page.locator("#numbers-throughput")).to_have_attribute("open", "")
    expect(page.locator("#tile-failed")).to_be_focused()
    expect(page.locator("#tables-title")).to_be_visible(timeout=FETCH_TIMEOUT)
    assert page.evaluate("window.sameDocument")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_have_attribute("aria-pressed", "true")


def test_pages_follow_the_event_stream(screen):
    job = actions.create_job(by="ada", name="Followed")
    board, page = screen.page(), screen.page()
    board.goto("/admin/")
    page.goto(f"/admin/orchestrator/job/{job.pk}/change/")
    expect(board.locator("[data-following]")).to_have_count(1, timeout=FETCH_TIMEOUT)
    expect(page.locator("[data-following]")).to_have_count(1, timeout=FETCH_TIMEOUT)
    for each in (board, page):
        # The next refresh that no event causes is then far away.
        each.evaluate(
            "document.querySelectorAll('[data-refresh]').forEach(part => part.dataset.seconds = 3600)"
        )
    actions.change_status(job.pk, JobStatus.RUNNING, by="w", reason="Now it runs")
    expect(page.locator(".history").last).to_contain_text("Now it runs", timeout=FETCH_TIMEOUT)
    expect(page.locator(".now")).to_contain_text("Running")
    expect(board.locator("#tile-running")).to_contain_text("1", timeout=FETCH_TIMEOUT)


def test_a_slow_service_gets_one_refresh_of_a_page_at_a_time(screen):
    page = screen.page()
    page.add_init_script(
        """
        const fetchNow = window.fetch;
        let open = 0;
        window.fetch = async (...options) => {
          const { dataset } = document.documentElement;
          open += 1;
          dataset.most = Math.max(dataset.most ?? 0, open);
          const response = await fetchNow(...options);
          await new Promise((resolve) => setTimeout(resolve, 3000));
          open -= 1;
          return response;
        };
        """
    )
    page.goto("/admin/")
    expect(page.locator("[data-following]")).to_have_count(1, timeout=FETCH_TIMEOUT)
    expect(page.locator("#tables-title")).to_be_visible(timeout=FETCH_TIMEOUT)  # that part's own request
    page.evaluate("document.documentElement.dataset.most = 0")
    actions.create_job(by="ada", name="New")
    expect(page.locator("html")).to_have_attribute("data-most", "1", timeout=FETCH_TIMEOUT)
    actions.create_job(by="ada", name="Newer")
    expect(page.locator("#tile-pending")).to_contain_text("2", timeout=FETCH_TIMEOUT)
    assert page.locator("html").get_attribute("data-most") == "1"


def test_a_page_polls_while_the_stream_is_away(screen):
    page = screen.page()
    page.route("**/api/v1/events/stream/**", lambda route: route.abort())
    page.goto("/admin/")
    actions.create_job(by="ada", name="New")
    expect(page.locator("#tile-pending")).to_contain_text("1", timeout=FETCH_TIMEOUT)
    assert page.locator("[data-following]").count() == 0
    screen.complaints.clear()  # the browser reports what was aborted


def test_forms_work_without_scripts(screen):
    for number in range(3):
        failed(f"Broken {number}")
    page = screen.page(java_script_enabled=False)
    page.goto("/admin/orchestrator/job/?status=failed")
    page.locator("select[name=action]").select_option("retry")
    page.locator("[name=select_across][type=checkbox]").check()
    page.locator(".actions button").click()
    page.locator(".start button").click()
    page.locator("[data-step-form] button").click()
    expect(page.get_by_text("3 of 3 jobs changed")).to_be_visible()
    assert counts.jobs_by_status()["pending"] == 3


@pytest.fixture
def long_rows(transactional_db):
    """Rows of every table whose names are long and have no space; returns some, two jobs first."""
    job = failed(LONG, description=LONG * 5, metadata={LONG: [LONG * 3]}, priority=-2_147_483_648)
    Job.objects.filter(pk=job.pk).update(worker=LONG)
    running = actions.create_job(by=LONG, name=LONG)
    actions.change_status(running.pk, JobStatus.RUNNING, by="w")
    actions.create_job(by=LONG, name=LONG, queue=LONG.lower())
    (claimed,) = claim(LONG * 5, by="w", queues=[LONG.lower()])
    heartbeat(claimed.pk, claimed.lease_token, by="w", progress=40)
    at = timezone.now() - timedelta(hours=1)
    actions.create_job(by="ada", name="Waits", queue="nobody", created_at=at, available_at=at)
    Job.objects.create(name=LONG, status="running", started_at=at, worker="silent", lease_expires_at=at)
    task = actions.create_task(title=LONG * 2, description=LONG)
    return [job, claimed, task, make_user(LONG), Event.objects.of_job(job.pk)[0]]


def url_of(row, kind="change"):
    return reverse(f"admin:orchestrator_{row._meta.model_name}_{kind}", args=[row.pk])


def test_every_page_fits_a_phone_and_axe_finds_no_serious_violation(screen, long_rows):
    page = screen.page(bypass_csp=True, viewport=PHONE, is_mobile=True)
    page.add_init_script("window.EventSource = class { close() {} }")  # or the network would never be idle
    widths, found = {}, {}
    for url in (*PAGES, *map(url_of, long_rows[:2])):
        page.set_viewport_size(PHONE)
        page.goto(url, wait_until="networkidle")
        widths[url] = page.evaluate("document.documentElement.scrollWidth")
        page.set_viewport_size(DESKTOP)
        found[url, "light"] = violations(page)
        page.emulate_media(color_scheme="dark")  # only the colours differ
        # Settled, not all finished: the dashboard's refresh may remove an element in transition.
        page.evaluate("Promise.allSettled(document.getAnimations().map(each => each.finished))")
        found[url, "dark"] = violations(page, runOnly="color-contrast")
        page.emulate_media(color_scheme="light")
    assert {url: width for url, width in widths.items() if width > PHONE["width"]} == {}
    assert {shown: grave for shown, grave in found.items() if grave} == {}


def test_only_tables_scroll_sideways_in_a_narrow_window(screen, long_rows):
    change = {"by": LONG, "action": "cancel", "reason": LONG * 3, "row_ids": [str(long_rows[1].pk)]}
    bulk = [BulkChange.objects.create(state=state, **change) for state in ("prepared", "finished")]
    ArchiveFile.objects.create(
        name=f"jobs-{uuid4().hex}.parquet",
        batch=uuid4(),
        table="jobs",
        source="jobs",
        state=ArchiveState.DELETING,
        first_at=timezone.now(),
        last_at=timezone.now(),
    )
    urls = [*PAGES, *map(url_of, long_rows), *(url_of(row, "history") for row in long_rows)]
    urls += [url_of(row, "delete") for row in long_rows[:3]]
    urls += [reverse("admin:orchestrator_job_bulk", args=[each.pk]) for each in bulk]
    page = screen.page(viewport=NARROW)
    page.add_init_script("window.EventSource = class { close() {} }")  # or the network would never be idle
    hidden, wide = {}, {}
    for url in urls:
        page.goto(url, wait_until="networkidle")
        scroll_width, client_width = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        hidden[url] = scroll_width - client_width
        tables = page.evaluate("[...document.querySelectorAll('table')].map((each) => each.scrollWidth)")
        wide[url] = max(tables, default=0)
    assert {url: width for url, width in hidden.items() if width > 0} == {}
    assert {url: width for url, width in wide.items() if width > MAX_TABLE_WIDTH} == {}


def test_the_keyboard_alone_reaches_the_jobs(screen):
    failed("Broken")
    page = screen.page()
    page.goto("/admin/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "tile-failed":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/job/?status=failed")
