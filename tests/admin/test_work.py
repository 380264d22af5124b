"""Queues and workers: the report, its pages, metrics and findings agree with what workers did."""

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring import exposition
from monitoring.cache_report import CacheHealth
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport
from monitoring.timeouts import TimeBudget
from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.console.attempts import attempts_of
from orchestrator.console.workload import queues, work_report, workers
from orchestrator.console.workload.failing_jobs import failing_jobs
from orchestrator.console.workload.work_findings import RULES
from orchestrator.leases import contacts, waiting
from orchestrator.leases.claim import claim
from orchestrator.leases.expiry import requeue_expired
from orchestrator.leases.heartbeat import heartbeat
from orchestrator.models import Event, Job, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forgotten_contacts():
    contacts.forget()


def ago(**duration):
    return timezone.now() - timedelta(**duration)


def submit(number=1, **fields):
    return [actions.create_job(by="ada", **{"name": "Index documents", **fields}) for _ in range(number)]


def waiting_job(**fields):
    """Submit a job that has been due for an hour."""
    (job,) = submit(created_at=ago(hours=1), available_at=ago(hours=1), **fields)
    return job


def report(job, status, **fields):
    actions.change_status(job.pk, status, by="w", lease_token=job.lease_token, **fields)


def end_leases(worker):
    """Let the leases of a worker run out, and give its jobs back at once."""
    Job.objects.filter(worker=worker).update(lease_expires_at=ago(seconds=1))
    requeue_expired()
    Job.objects.filter(status="pending").update(available_at=ago(seconds=1))


def queue_named(name):
    return next(queue for queue in work_report().queues.queues if queue.name == name)


def worker_named(name):
    return next(worker for worker in work_report().workers.workers if worker.name == name)


def is_last_seen(worker, **duration):
    Worker.objects.filter(name=worker).update(seen_at=ago(**duration))


def finding_ids():
    return {
        finding.id
        for finding in database_report(plans=False).findings
        if finding.id.startswith(("queue:", "worker:", "job:"))
    }


def test_a_queue_among_many_is_stalled_only_if_no_job_of_it_was_claimed():
    for number in range(51):
        submit(2, queue=f"busy-{number}")
        claim("w", by="w", queues=[f"busy-{number}"], limit=2)
    submit(queue="claimed", priority=1)
    waiting_job(queue="claimed")
    claim("w", by="w", queues=["claimed"])
    waiting_job(queue="left")
    states = {queue.name: queue.state for queue in work_report().queues.queues}
    assert (states["claimed"], states["left"]) == ("ok", "stalled")


def test_what_a_process_remembers_of_a_worker_does_not_grow_with_its_queues():
    contacts.note_claim("w", [f"queue-{number}" for number in range(100)])
    contacts.note_claim("w", ["another"])
    assert Worker.objects.get().queues == ["another"]
    assert len(repr(contacts._written)) < 500  # noqa: SLF001 - memory is what is tested


class TestQueues:
    def test_a_queue_has_exact_numbers_and_what_was_done_in_the_last_hour(self):
        submit(3, queue="mail")
        submit(2, queue="mail", available_at=timezone.now() + timedelta(hours=1))
        submit(1, queue="reports")
        done, failed, _ = claim("w1", by="w", queues=["mail"], limit=3)
        report(done, JobStatus.COMPLETED)
        report(failed, JobStatus.FAILED)
        mail = queue_named("mail")
        assert (mail.pending, mail.running, mail.scheduled) == (2, 1, 2)
        assert (mail.hour.started, mail.hour.completed, mail.hour.failed) == (3, 1, 1)
        assert mail.drain_seconds == 2 * 3600 / 2
        assert queue_named("reports").drain_seconds is None
        assert [queue.name for queue in work_report().queues.queues] == ["mail", "reports"]

    def test_the_oldest_due_job_is_found_at_every_priority(self):
        for priority, minutes in ((9, 3), (9, 5), (0, 20), (-4, 10)):
            at = ago(minutes=minutes)
            submit(priority=priority, created_at=at, available_at=at)
        submit(created_at=ago(hours=5), available_at=timezone.now() + timedelta(hours=1))
        submit(priority=7, created_at=ago(hours=5), available_at=ago(minutes=1))  # it waits for a minute only
        assert queue_named("default").oldest_due_seconds == pytest.approx(20 * 60, abs=5)

    def test_the_search_for_the_oldest_job_is_bounded(self, monkeypatch):
        monkeypatch.setattr(waiting, "MAX_PRIORITIES", 2)
        for priority, minutes in ((3, 1), (2, 2), (1, 9)):
            submit(priority=priority, created_at=ago(minutes=minutes), available_at=ago(minutes=minutes))
        assert queue_named("default").oldest_due_seconds == pytest.approx(2 * 60, abs=5)

    def test_a_queue_is_stalled_if_jobs_are_due_and_nobody_claims_them(self):
        waiting_job(queue="mail")
        submit(queue="reports")  # due for a moment
        states = {queue.name: queue.state for queue in work_report().queues.queues}
        assert states == {"mail": "stalled", "reports": "ok"}

    def test_a_queue_whose_jobs_are_claimed_is_not_stalled(self):
        for _ in range(2):
            waiting_job(queue="mail")
        claim("w1", by="w", queues=["mail"])
        assert queue_named("mail").state == "ok"

    @pytest.mark.parametrize(("queue", "state"), [("mail", "starved"), ("reports", "stalled")])
    def test_a_queue_is_starved_if_its_workers_take_other_jobs(self, queue, state):
        waiting_job(queue=queue)
        submit(queue="other", priority=9)
        claim("w1", by="w", queues=["mail", "other"])
        assert queue_named(queue).state == state

    def test_many_queues_are_summed_up(self, console, monkeypatch):
        monkeypatch.setattr(queues, "MAX_QUEUES", 2)
        for number in range(4):
            submit(number + 1, queue=f"q{number}")
        listed = work_report().queues
        assert [queue.name for queue in listed.queues] == ["q3", "q2"]
        assert (listed.number, listed.other_pending, listed.other_running) == (4, 3, 0)
        content = console.get("/admin/queues/").content.decode()
        assert "The 2 queues with the most pending jobs of 4" in content

    def test_scheduled_jobs_are_counted_up_to_a_bound(self, console, monkeypatch):
        monkeypatch.setattr(waiting, "MAX_SCHEDULED", 2)
        submit(3, available_at=timezone.now() + timedelta(hours=1))
        assert not work_report().queues.all_scheduled_counted
        assert "2+</td>" in console.get("/admin/queues/").content.decode()


class TestWorkers:
    def test_a_worker_has_its_jobs_and_what_it_did(self):
        submit(4, queue="mail")
        done, failed, *held = claim("w1", by="w", queues=["mail"], limit=4)
        report(done, JobStatus.COMPLETED)
        report(failed, JobStatus.FAILED)
        heartbeat(held[1].pk, held[1].lease_token, by="w", lease_seconds=30)
        worker = worker_named("w1")
        assert (worker.state, worker.queues) == ("working", ("mail",))
        assert [job.id for job in worker.held] == [held[1].pk, held[0].pk]
        assert (worker.hour.completed, worker.hour.failed, worker.hour.expired) == (1, 1, 0)
        assert work_report().workers.leases == 2

    def test_a_worker_without_jobs_is_idle_and_later_gone(self):
        claim("w1", by="w")
        assert worker_named("w1").state == "idle"
        is_last_seen("w1", minutes=3)
        assert worker_named("w1").state == "gone"

    def test_a_worker_is_silent_once_a_lease_of_it_has_run_out(self):
        submit(2)
        claim("w1", by="w", limit=2)
        Job.objects.filter(pk=Job.objects.first().pk).update(lease_expires_at=ago(seconds=1))
        assert worker_named("w1").state == "silent"

    @pytest.mark.parametrize(
        ("unseen", "left", "state"), [(5, 2, "silent"), (1, 0.2, "working"), (3, 2, "working")]
    )
    def test_a_worker_is_silent_once_it_has_missed_two_heartbeats(self, unseen, left, state):
        submit()
        claim("w1", by="w")
        is_last_seen("w1", minutes=unseen)
        Job.objects.update(lease_expires_at=timezone.now() + timedelta(minutes=left))
        assert worker_named("w1").state == state

    def test_a_worker_that_never_came_back_after_it_lost_its_job_is_silent(self):
        submit()
        claim("w1", by="w")
        end_leases("w1")
        assert worker_named("w1").hour.expired == 1
        assert worker_named("w1").state == "idle"
        is_last_seen("w1", minutes=3)
        assert worker_named("w1").state == "silent"

    def test_a_worker_that_nobody_has_seen_is_listed_with_its_job(self):
        lease = timezone.now() + timedelta(hours=1)
        Job.objects.create(
            name="j", status="running", started_at=ago(hours=1), worker="x", lease_expires_at=lease
        )
        assert (worker_named("x").state, worker_named("x").seen_at) == ("working", None)

    def test_rows_are_bounded_and_a_silent_worker_is_among_them(self, console, monkeypatch):
        monkeypatch.setattr(workers, "MAX_LISTED_WORKERS", 2)
        submit()
        claim("w0", by="w")
        is_last_seen("w0", hours=2)
        for number in range(1, 5):
            claim(f"w{number}", by="w", queues=["none"])
        Job.objects.update(lease_expires_at=ago(minutes=1))
        listed = work_report().workers
        assert (listed.workers[0].name, len(listed.workers), listed.is_complete) == ("w0", 3, False)
        assert "The first 3 of more than 3 workers" in console.get("/admin/workers/").content.decode()

    def test_more_leases_than_are_read_are_still_counted(self, monkeypatch):
        monkeypatch.setattr(workers, "MAX_LEASES", 2)
        submit(5)
        claim("w1", by="w", limit=5)
        assert (len(worker_named("w1").held), work_report().workers.leases) == (2, 5)


class TestFailingJobs:
    def test_failures_and_expired_leases_count_together(self):
        job, _ = submit(2, max_attempts=9)
        for _ in range(2):
            claim("w1", by="w", limit=2)
            end_leases("w1")
        assert failing_jobs(timezone.now()) == ()
        for claimed in claim("w1", by="w", limit=2):
            report(claimed, JobStatus.FAILED if claimed.pk == job.pk else JobStatus.COMPLETED)
        (failing,) = failing_jobs(timezone.now())
        assert (failing.id, failing.status, failing.failures) == (job.pk, "failed", 3)
        assert failing_jobs(timezone.now() + timedelta(days=2)) == ()

    def test_a_job_that_operators_requeue_does_not_count(self):
        (job,) = submit()
        for _ in range(4):
            claim("w1", by="w")
            actions.change_status(job.pk, JobStatus.PENDING, by="ada")
        assert failing_jobs(timezone.now()) == ()


class TestAttempts:
    def test_each_claim_is_an_attempt_with_its_outcome(self):
        (job,) = submit(max_attempts=9)
        claim("w1", by="w")
        end_leases("w1")
        claim("w2", by="w")
        actions.change_status(job.pk, JobStatus.PENDING, by="ada", reason="wrong host")
        (claimed,) = claim("w3", by="w")
        heartbeat(job.pk, claimed.lease_token, by="w", progress=50)
        report(claimed, JobStatus.FAILED, reason="disk full")
        actions.change_status(job.pk, JobStatus.PENDING, by="ada")
        claim("w4", by="w")
        attempts = attempts_of(job.pk)
        assert [(each.worker, each.outcome) for each in attempts] == [
            ("w4", "running"),
            ("w3", "failed"),
            ("w2", "given back"),
            ("w1", "lease expired"),
        ]
        assert [each.number for each in attempts] == [1, 2, 2, 1]
        assert [each.reason for each in attempts][:3] == ["", "disk full", "wrong host"]
        assert attempts[0].ended_at is None
        assert attempts[1].seconds is not None

    def test_an_attempt_whose_begin_was_archived_is_shown(self):
        submit()
        (job,) = claim("w1", by="w")
        report(job, JobStatus.COMPLETED)
        Event.objects.filter(type="job_started").delete()
        (attempt,) = attempts_of(job.pk)
        assert (attempt.worker, attempt.started_at, attempt.outcome) == ("w1", None, "completed")

    def test_a_job_that_nobody_has_started_has_none(self):
        (job,) = submit()
        actions.change_status(job.pk, JobStatus.CANCELLED, by="ada")
        assert attempts_of(job.pk) == ()

    def test_the_job_page_shows_attempts_progress_and_result(self, console):
        submit()
        (job,) = claim("w1", by="w")
        heartbeat(job.pk, job.lease_token, by="w", progress=42)
        page = f"/admin/orchestrator/job/{job.pk}/change/"
        content = console.get(page).content.decode()
        assert "job_progress</a> 42 %" in content
        assert '<progress class="job-progress" aria-label="Progress" value="42" max="100">' in content
        assert '<span class="badge badge-running">running</span>' in content
        report(job, JobStatus.COMPLETED, result={"rows": 1234})
        content = console.get(page).content.decode()
        assert "&quot;rows&quot;: 1234" in content
        assert "42 %, as last reported" in content
        assert '<span class="badge badge-completed">completed</span>' in content


def test_pages_link_to_the_jobs(console):
    submit(2, queue="mail.eu")
    (job,) = claim("w 1/ä", by="w", queues=["mail.eu"])
    content = console.get("/admin/queues/").content.decode()
    assert "/admin/orchestrator/job/?queue=mail.eu&amp;status=pending" in content
    content = console.get("/admin/workers/").content.decode()
    assert f"/admin/orchestrator/job/{job.pk}/change/" in content
    assert "/admin/orchestrator/job/?worker=w%201%2F%C3%A4" in content
    assert console.get("/admin/orchestrator/job/?worker=w%201%2F%C3%A4").status_code == 200
    content = console.get("/admin/dashboard/now/").content.decode()
    assert 'id="queue-mail.eu"' in content
    assert "1 working" in content


@pytest.mark.django_db(transaction=True)
class TestMonitoring:
    def test_each_rule_finds_its_problem_with_evidence_and_an_action(self):
        (failing,) = submit(queue="mail", max_attempts=9)
        for _ in range(3):
            claim("flaky", by="w")
            end_leases("flaky")
        waiting_job(queue="reports")
        claim("dead", by="w", queues=["mail"])
        Job.objects.filter(worker="dead").update(lease_expires_at=ago(seconds=1))
        claim("flaky", by="w", queues=["none"])
        found = {finding.id: finding for finding in database_report(plans=False).findings}
        expected = {
            "queue:stalled:reports",
            "worker:leases:flaky",
            "worker:silent:dead",
            f"job:failing:{failing.pk}",
        }
        assert expected == {each for each in found if each.startswith(("queue:", "worker:", "job:"))}
        assert {found[each].level for each in expected} == {"warning"}
        assert found["queue:stalled:reports"].evidence["pending"] == 1
        assert found["worker:silent:dead"].evidence["jobs"] == [str(failing.pk)]
        assert found["worker:leases:flaky"].evidence["leases_lost_in_the_last_hour"] == 3
        assert found[f"job:failing:{failing.pk}"].evidence["failures_in_a_day"] == 3
        assert "worker.py --queues=reports " in found["queue:stalled:reports"].action

    def test_work_without_problems_has_no_finding(self):
        submit(3)
        done, _ = claim("w1", by="w", limit=2)
        report(done, JobStatus.COMPLETED)
        assert finding_ids() == set()

    def test_rules_find_nothing_without_figures(self):
        empty = DatabaseReport(cache=CacheHealth("disabled"))
        assert [finding for rule in RULES for finding in rule(empty)] == []

    def test_metrics_show_the_same_figures(self, monkeypatch):
        monkeypatch.setattr(exposition, "_REPORT_TTL", 0)
        monkeypatch.setattr(queues, "MAX_QUEUES", 1)
        submit(3, queue="mail")
        submit(2, queue="reports")
        done, *_ = claim("w1", by="w", queues=["mail"], limit=2)
        report(done, JobStatus.COMPLETED)
        waiting_job(queue="reports")
        waiting_job(queue="reports")
        text = exposition.metrics_text(TimeBudget()).decode()
        lines = {line for line in text.splitlines() if not line.startswith("#")}
        assert {
            'kyros_queue_pending_jobs{queue="reports"} 4.0',
            'kyros_queue_pending_jobs{queue="other"} 1.0',
            'kyros_queue_running_jobs{queue="other"} 1.0',
            'kyros_queue_stalled{queue="reports"} 1.0',
            "kyros_leases_held 1.0",
            'kyros_workers{state="working"} 1.0',
            "kyros_jobs_claimed_total 0.0",
        } <= lines
        assert [line for line in lines if line.startswith("kyros_queue_oldest_due_seconds")] == [
            next(
                line
                for line in lines
                if line.startswith('kyros_queue_oldest_due_seconds{queue="reports"} 36')
            )
        ]

    def test_a_queue_named_like_the_sum_of_the_others_is_counted_once(self, monkeypatch):
        monkeypatch.setattr(exposition, "_REPORT_TTL", 0)
        monkeypatch.setattr(queues, "MAX_QUEUES", 1)
        submit(3, queue="other")
        submit(2, queue="reports")
        text = exposition.metrics_text(TimeBudget()).decode()
        assert [line for line in text.splitlines() if line.startswith("kyros_queue_pending_jobs")] == [
            'kyros_queue_pending_jobs{queue="other"} 5.0'
        ]
