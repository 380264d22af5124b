"""The dashboard and the monitoring pages: correct figures, few queries, no dependence on the cache."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from monitoring import findings, registry
from monitoring.cache_report import CacheHealth
from monitoring.formatting import human_duration
from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.console import dashboard, rollups
from orchestrator.console.charts import charts
from orchestrator.console.html_formatting import NOTHING
from orchestrator.console.models import MinuteRollup
from orchestrator.console.rollups import Bucket
from orchestrator.models import Event, Job

NOW = datetime(2026, 11, 23, 12, 30, 30, tzinfo=UTC)


def happened(kind, at, number=1):
    Event.objects.bulk_create(Event(type=kind, created_at=at) for _ in range(number))


def ended(name, status=JobStatus.FAILED, reason=None):
    job = actions.create_job(by="ada", name=name)
    actions.change_status(job.pk, JobStatus.RUNNING, by="w")
    actions.change_status(job.pk, status, by="w", reason=reason)
    return job


@pytest.fixture
def _three_hours(monkeypatch):
    """Limit rollups to three hours, and give one update time to store them all."""
    monkeypatch.setattr(rollups, "KEPT_MINUTES", 180)
    monkeypatch.setattr(rollups, "_BACKFILL_SECONDS", 60)


@pytest.mark.django_db
@pytest.mark.usefixtures("_three_hours")
def test_every_event_is_in_exactly_one_bucket():
    for at in (
        NOW,
        NOW - timedelta(minutes=1),
        NOW - timedelta(minutes=30, seconds=30),
        NOW - timedelta(minutes=30, seconds=31),
        NOW - timedelta(hours=2),
    ):
        happened("job_completed", at)
    happened("job_failed", NOW - timedelta(minutes=7), 3)
    happened("something_else", NOW - timedelta(minutes=7), 3)
    rollups.update_rollups(NOW)
    buckets = rollups.buckets(12, 5, NOW)
    assert [bucket.start.minute for bucket in buckets] == [35, 40, 45, 50, 55, 0, 5, 10, 15, 20, 25, 30]
    assert [bucket.completed for bucket in buckets] == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1]
    assert [bucket.failed for bucket in buckets] == [0] * 9 + [3, 0, 0]
    assert sum(bucket.completed for bucket in rollups.buckets(24, 60, NOW)) == 5


@pytest.mark.django_db
def test_stored_minutes_are_not_counted_again():
    happened("job_completed", NOW - timedelta(minutes=10), 2)
    rollups.update_rollups(NOW)
    Event.objects.all().delete()  # as the archive does
    later = NOW + timedelta(minutes=3)
    happened("job_completed", NOW + timedelta(minutes=1))
    for _ in range(2):
        rollups.update_rollups(later)
    assert sum(bucket.completed for bucket in rollups.buckets(12, 5, later)) == 3


@pytest.mark.django_db
@pytest.mark.usefixtures("_three_hours")
def test_after_a_long_gap_rollups_start_again_from_the_newest_minutes(monkeypatch):
    monkeypatch.setattr(rollups, "_BACKFILL_SECONDS", -1)
    rollups.update_rollups(NOW)
    assert not MinuteRollup.objects.exists()
    monkeypatch.setattr(rollups, "_BACKFILL_SECONDS", 60)
    rollups.update_rollups(NOW)
    assert MinuteRollup.objects.count() == rollups.KEPT_MINUTES
    later = NOW + timedelta(days=3)
    happened("job_failed", later - timedelta(minutes=20))
    rollups.update_rollups(later)
    assert MinuteRollup.objects.count() == rollups.KEPT_MINUTES
    assert sum(bucket.failed for bucket in rollups.buckets(28, 360, later)) == 1


@pytest.mark.django_db
def test_without_rollups_the_last_hour_is_counted():
    happened("job_completed", NOW - timedelta(minutes=20))
    assert sum(bucket.completed for bucket in rollups.buckets(12, 5, NOW)) == 1


@pytest.mark.django_db
def test_the_wait_is_the_median_from_creation_to_start():
    for wait in (10, 20, 600):
        started = NOW - timedelta(minutes=3)
        Job.objects.create(
            name="j", status="running", started_at=started, created_at=started - timedelta(seconds=wait)
        )
    rollups.update_rollups(NOW)
    waits = [bucket.wait for bucket in rollups.buckets(12, 5, NOW) if bucket.wait is not None]
    assert waits == [pytest.approx(20, abs=0.01)]


@pytest.mark.django_db
def test_a_bucket_is_the_mean_of_its_minutes_stored_or_not():
    for minutes_ago, wait in ((9, 10), (8, 20), (0, 60)):
        started = NOW - timedelta(minutes=minutes_ago)
        created = started - timedelta(seconds=wait)
        Job.objects.create(name="j", status="running", started_at=started, created_at=created)
    rollups.update_rollups(NOW)
    assert MinuteRollup.objects.filter(wait__isnull=False).count() == 2
    assert rollups.buckets(24, 60, NOW)[-1].wait == pytest.approx(30, abs=0.01)


@pytest.mark.django_db
@pytest.mark.usefixtures("_three_hours")
def test_the_last_microsecond_of_a_minute_is_in_that_minute():
    for minute in range(1, 150):
        last = datetime(2026, 11, 23, 12, 30, tzinfo=UTC) - timedelta(minutes=minute, microseconds=1)
        happened("job_completed", last)
        Job.objects.create(name="Late", status="running", created_at=last, started_at=last)
    rollups.update_rollups(NOW)
    kept = MinuteRollup.objects.filter(completed=1, wait=0)
    assert (kept.count(), MinuteRollup.objects.filter(completed__gt=1).count()) == (149, 0)


@pytest.mark.engine_neutral
def test_charts_format_their_values():
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    buckets = tuple(
        Bucket(
            start=start + timedelta(minutes=5 * n),
            minutes=5,
            completed=1000 * n,
            failed=n % 2,
            wait=90.0 if n else None,
        )
        for n in range(3)
    )
    throughput, failures, wait = charts(buckets)
    assert [bar.text for bar in throughput.bars] == ["0", "1,000", "2,000"]
    assert [bar.height for bar in throughput.bars] == [0, 60, 120]
    assert throughput.bars[1].label == "12:05 to 12:10"
    assert failures.summary == "1 failed · 0.0% of finished jobs"
    assert [bar.text for bar in wait.bars] == [NOTHING, "1 min 30 s", "1 min 30 s"]
    assert all(chart.is_empty for chart in charts((Bucket(start=start, minutes=5),)))


@pytest.mark.django_db
def test_figures_match_the_jobs():
    oldest = actions.create_job(by="ada", name="Oldest")
    actions.create_job(by="ada", name="Other")
    failed, deleted = ended("Broken", reason="No space left"), ended("Gone")
    ended("Fine", JobStatus.COMPLETED)
    actions.delete_job(deleted.pk, by="ada")
    current = dashboard.dashboard("nonsense")
    assert current["range"] == "hour"
    assert current["by_status"] == {
        "pending": 2, "running": 0, "completed": 1, "failed": 1, "cancelled": 0,
    }  # fmt: skip
    assert current["total"] == 4
    assert current["oldest_pending"] == oldest
    assert current["time_to_drain"] == human_duration(2 / current["per_minute"] * 60)
    failures = list(current["failures"])
    assert [(each.job_name, each.payload["reason"]) for each in failures] == [
        (None, None),
        ("Broken", "No space left"),
    ]
    assert failures[1].job_id == failed.pk


@pytest.mark.django_db
def test_a_queue_without_throughput_has_no_drain_time():
    assert dashboard.dashboard("hour")["time_to_drain"] == "No pending jobs"
    actions.create_job(by="ada", name="Waits")
    assert dashboard.dashboard("hour")["time_to_drain"] == "Unknown: no job finished in the last hour"


@pytest.mark.usefixtures("_three_hours")
def test_it_runs_few_queries_and_scans_no_large_table(console, job, django_assert_max_num_queries):
    ended("Broken")
    rollups.update_rollups(timezone.now())
    # 20, or 29 where a minute has just ended, which the rollups do not have yet.
    with django_assert_max_num_queries(29) as queries:
        assert console.get("/admin/dashboard/now/").status_code == 200
    assert not [
        each["sql"]
        for each in queries.captured_queries
        if re.search(r'FROM "(jobs|events)"', each["sql"]) and "WHERE" not in each["sql"]
    ]


@pytest.mark.one_engine
@pytest.mark.parametrize("status", ["unhealthy", "disabled"])
def test_pages_work_without_the_cache(console, monkeypatch, status):
    down = registry.MonitoredApp(
        rows=registry.monitored_app().rows, cache=lambda _: CacheHealth(status, error="refused", families={})
    )
    monkeypatch.setattr(registry, "_monitored_app", down)
    content = console.get("/admin/").content.decode()
    assert "All responses come from the database" in content
    assert console.get("/admin/cache/").status_code == 200


@pytest.mark.parametrize("chosen", ["hour", "day", "week", "", "<x>"])
def test_every_range_has_its_charts(console, chosen):
    content = console.get("/admin/", {"range": chosen}).content.decode()
    assert content.count("<svg") >= 3
    assert content.count("Show data</summary>") == 3
    assert "<x>" not in content


@pytest.mark.one_engine
def test_client_texts_are_escaped(console):
    ended("<script>alert(1)</script>", reason="<img src=x>")
    content = console.get("/admin/dashboard/now/").content.decode()
    assert "&lt;script&gt;" in content
    assert "<script>" not in content
    assert "<img" not in content


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "page",
    [
        "",
        "queues/",
        "workers/",
        "cache/",
        "tables/",
        "queries/",
        "findings/",
        "dashboard/now/",
        "dashboard/database/",
    ],
)
@pytest.mark.slow
def test_only_staff_can_open_the_pages(console, client, user, page):
    assert console.get(f"/admin/{page}").status_code == 200
    client.force_login(user)
    assert client.get(f"/admin/{page}").status_code == 302


@pytest.mark.one_engine
@pytest.mark.parametrize("page", ["", "cache/", "orchestrator/job/", "login/", "nothing-here/"])
def test_the_policy_allows_only_files_of_this_host(console, page):
    response = console.get(f"/admin/{page}", follow=True, HTTP_ACCEPT="text/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"connect-src 'self' http://testserver:{settings.STREAM_PORT};" in policy
    assert "unsafe" not in policy
    assert (
        not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", response.content.decode())
        or response.status_code == 404
    )


@pytest.mark.one_engine
def test_other_pages_have_their_own_policy(client):
    assert "Content-Security-Policy" not in client.get("/healthz").headers


def test_a_finding_is_acknowledged_with_a_reason_and_unacknowledged(console):
    fields = {"finding": "table:archive:events", "reason": "They are needed"}
    console.post("/admin/findings/", fields)
    known = findings.acknowledgements()["table:archive:events"]
    assert (known.by, known.reason) == ("moderator", "They are needed")
    assert console.post("/admin/findings/", {"finding": "x", "reason": ""}, follow=True).status_code == 200
    assert set(findings.acknowledgements()) == {"table:archive:events"}
    console.post("/admin/findings/", {"unacknowledge": "table:archive:events"})
    assert not findings.acknowledgements()


def test_the_cache_is_cleared_and_compared(console, as_user, job, transactional_db):
    for _ in range(2):
        as_user.get("/api/v1/jobs/")
    assert as_user.get("/api/v1/jobs/")["X-Cache"] == ("HIT" if settings.CACHE_ENABLED else "BYPASS")
    console.post("/admin/cache/clear/", {"table": "jobs"})
    assert as_user.get("/api/v1/jobs/")["X-Cache"] == "MISS"
    response = console.post("/admin/cache/audit/", follow=True)
    assert "0 stale" in response.content.decode()
    response = console.post("/admin/cache/clear/", {"table": "everything"}, follow=True)
    assert "Allowed: jobs, events, tasks, users" in response.content.decode()
    assert console.get("/admin/cache/clear/").status_code == 405


@pytest.mark.django_db
def test_the_command_rolls_up_minutes(capsys):
    call_command("roll_up_minutes", json=True)
    assert json.loads(capsys.readouterr().out)["minutes"] > 0
