"""The console in a real browser: read, filter, steer, watch; nothing from elsewhere, nothing in the way.

One test goes through all of it on each engine. What the others see is the pages' own doing, the same on both.
"""

import re

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from playwright.sync_api import expect

from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.console.models import BulkChange
from orchestrator.models import Event, Job
from tests import chromium
from tests.admin.browser import browser, violations
from tests.users import PASSWORD, make_user

#: Milliseconds until what a page fetches by itself is there, at the latest.
SOON = 30_000
LONG = "Reconcile_the_ledger_of_all_subsidiaries_2026"
PAGES = (
    "/admin/",
    "/admin/?range=week",
    "/admin/orchestrator/job/",
    "/admin/orchestrator/job/?status=cancelled",
    "/admin/orchestrator/job/?worker=none&priority=20",
    "/admin/orchestrator/event/",
    "/admin/orchestrator/task/",
    "/admin/orchestrator/user/",
    "/admin/cache/",
    "/admin/tables/",
    "/admin/queries/",
    "/admin/findings/",
    "/admin/orchestrator/job/add/",
    "/admin/password_change/",
)


@pytest.fixture
def _files():
    chromium.executable()
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (settings.STATIC_ROOT / "orchestrator" / "refresh.js").exists()


@pytest.fixture
def screen(_files, web, moderator, monkeypatch):
    """A browser on the real server, signed in as a moderator; it must not complain of anything."""
    # Playwright's loop runs in this thread, where Django would take every query for an asynchronous one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with browser(web(workers=1)) as started:
        started.sign_in(moderator.username, PASSWORD)
        yield started
        # While that loop runs, Django has connections of its own for it, which nobody else would close.
        connections.close_all()
        assert started.complaints == []


def failed(name, **fields):
    job = actions.create_job(by="ada", name=name, **fields)
    actions.change_status(job.pk, JobStatus.RUNNING, by="w")
    return actions.change_status(job.pk, JobStatus.FAILED, by="w", reason="No space left on device")


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
    page.get_by_role("button", name="Queue again").click()
    expect(page.get_by_text("“Broken import” is pending.")).to_be_visible()
    expect(page.locator(".history")).to_contain_text("The disk is larger now")
    assert Event.objects.of_job(broken.pk)[0].payload["by"] == "moderator"

    page.goto("/admin/orchestrator/job/?q=Nightly")
    page.get_by_label("Action:").select_option("cancel")
    page.get_by_label("on all that match").check()
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="1,200 jobs will be changed")).to_be_visible()
    page.get_by_label("Reason").fill("Superseded")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("1,200 of 1,200 jobs changed")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("Finished")).to_be_visible()

    told = as_user.get("/api/v1/jobs/counts/").json()["counts"]
    assert (told["cancelled"], told["pending"]) == (1200, 21)
    assert Event.objects.filter(type="job_cancelled", payload__reason="Superseded").count() == 1200


@pytest.mark.sqlite
def test_what_is_under_way_is_watched_and_stopped(screen):
    Job.objects.bulk_create(Job(name=f"Nightly {number}") for number in range(20_000))
    page = screen.page()
    page.goto("/admin/orchestrator/job/")
    page.get_by_label("Action:").select_option("cancel")
    page.get_by_label("on all that match").check()
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text(
        re.compile(r"[1-9][\d,]* of 20,000 jobs changed"), timeout=SOON
    )
    expect(page.get_by_role("progressbar")).to_have_attribute("max", "20000")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped")).to_be_visible(timeout=SOON)
    change = BulkChange.objects.get()
    assert 0 < change.changed < 20_000
    assert Job.objects.counts()["cancelled"] == change.changed


@pytest.mark.sqlite
def test_the_dashboard_refreshes_itself_and_keeps_what_is_open(screen):
    page = screen.page()
    page.goto("/admin/")
    page.evaluate("window.sameDocument = true")
    page.locator("#numbers-throughput summary").click()
    page.locator("#tile-failed").focus()
    expect(page.locator("#tile-pending")).to_contain_text("0")
    actions.create_job(by="ada", name="New")
    expect(page.locator("#tile-pending")).to_contain_text("1", timeout=SOON)
    expect(page.locator("#numbers-throughput")).to_have_attribute("open", "")
    expect(page.locator("#tile-failed")).to_be_focused()
    expect(page.locator("#tables-title")).to_be_visible(timeout=SOON)
    assert page.evaluate("window.sameDocument")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")


@pytest.mark.sqlite
def test_without_a_script_plain_forms_do_the_same(screen):
    for number in range(3):
        failed(f"Broken {number}")
    page = screen.page(java_script_enabled=False)
    page.goto("/admin/orchestrator/job/?status=failed")
    page.locator("select[name=action]").select_option("retry")
    page.locator("[name=select_across][type=checkbox]").check()
    page.locator(".actions button").click()
    page.locator(".begin button").click()
    page.locator("[data-step-form] button").click()
    expect(page.get_by_text("3 of 3 jobs changed")).to_be_visible()
    assert Job.objects.counts()["pending"] == 3


@pytest.mark.sqlite
def test_nothing_is_in_the_way_of_a_screen_reader_or_a_keyboard(screen):
    job = failed("Broken", metadata={"pages": 7})
    page = screen.page(bypass_csp=True)
    found = {}
    for address in (*PAGES, f"/admin/orchestrator/job/{job.pk}/change/"):
        page.goto(address, wait_until="networkidle")
        found[address, "light"] = violations(page)
        page.emulate_media(color_scheme="dark")  # other colours, and nothing else
        page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")
        found[address, "dark"] = violations(page, runOnly="color-contrast")
        page.emulate_media(color_scheme="light")
    assert {shown: grave for shown, grave in found.items() if grave} == {}


@pytest.mark.sqlite
def test_a_phone_shows_every_page_in_its_width(screen):
    job = failed(LONG, description=LONG * 5, metadata={LONG: [LONG * 3]}, priority=-2_147_483_648)
    Job.objects.filter(pk=job.pk).update(worker=LONG)
    running = actions.create_job(by=LONG, name=LONG)
    actions.change_status(running.pk, JobStatus.RUNNING, by="w")
    actions.create_task(title=LONG * 2, description=LONG)
    make_user(LONG)
    page = screen.page(viewport={"width": 390, "height": 844}, is_mobile=True)
    widths = {}
    for address in (*PAGES, f"/admin/orchestrator/job/{job.pk}/change/"):
        page.goto(address, wait_until="networkidle")
        widths[address] = page.evaluate("document.documentElement.scrollWidth")
    assert {address: width for address, width in widths.items() if width > 390} == {}


@pytest.mark.sqlite
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
