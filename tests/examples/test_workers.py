"""The workers of `examples/`: what they do with jobs, and what becomes of the jobs when they end."""

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kyros_client import Client

from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.leases.expiry import requeue_expired
from orchestrator.models import Event, Job
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess
from tests.servers.web import WebServer

pytestmark = [pytest.mark.slow, pytest.mark.one_engine]

#: The shortest lease that the service gives.
LEASE = ("--lease-seconds", "5")
Start = Callable[..., ChildProcess]


def submit(seconds: float = 0, **fields: Any) -> Job:
    return actions.create_job(by="ada", name="a job", metadata={"seconds": seconds}, **fields)


def until(job: Job, status: JobStatus) -> Job:
    """Wait until a job has a status; return it."""
    wait_until(lambda: Job.objects.filter(pk=job.pk, status=status).exists(), what=f"job that is {status}")
    return Job.objects.get(pk=job.pk)


def history(job: Job) -> list[tuple[str, str | None, str | None]]:
    """Return the type, the reason and the worker of a job's events, without those of its progress."""
    events = Event.objects.filter(job_id=job.pk).exclude(type="job_progress").order_by("created_at")
    return [(event.type, event.payload["reason"], event.payload["worker"]) for event in events]


def send(program: ChildProcess, number: signal.Signals) -> None:
    os.kill(program.pid, number)


def until_ended(program: ChildProcess) -> str:
    """Wait until a program has ended by itself; return its log."""
    wait_until(lambda: not program.running, what="end of the program")
    return program.log.read_text()


def test_a_worker_does_the_jobs_of_its_queues_and_logs_one_line_for_each(start: Start):
    jobs = [submit(queue=queue) for queue in ("mail", "mail", "mail", "reports")]
    other = submit(queue="other")
    options = ("--queues", "mail", "reports", "--concurrency", "2", "--name", "ada-1")
    log = until_ended(start("worker.py", *options, "--drain"))
    assert [line for line in log.splitlines() if " completed " not in line] == []
    for job in jobs:
        assert log.count(str(job.pk)) == 1
        done = Job.objects.get(pk=job.pk)
        assert (done.status, done.worker, done.result) == ("completed", "ada-1", {"seconds": 0.0})
        assert [event for event, *_ in history(job)] == ["job_created", "job_started", "job_completed"]
        progress = Event.objects.filter(job_id=job.pk, type="job_progress").order_by("created_at")
        assert [event.payload["progress"] for event in progress] == [0, 25, 50, 75]
    other.refresh_from_db()
    assert other.status == "pending"


def test_a_handler_of_your_own_decides_and_an_exception_fails_the_job(start: Start, tmp_path: Path):
    program = tmp_path / "own_worker.py"
    program.write_text(
        "import sys\n\n"
        "from worker import main\n\n"
        "def work(job):\n"
        "    if job.name == 'bad':\n"
        "        raise ValueError('no such inbox')\n"
        "    if job.name == 'exit':\n"
        "        sys.exit('no such option')\n\n"
        "sys.exit(main(work))\n"
    )
    bad = actions.create_job(by="ada", name="bad")
    exiting = actions.create_job(by="ada", name="exit")
    good = actions.create_job(by="ada", name="good")
    until_ended(start(program, "--drain"))
    assert history(bad)[-1][:2] == ("job_failed", "ValueError: no such inbox")
    assert history(exiting)[-1][:2] == ("job_failed", "SystemExit: no such option")
    assert until(good, JobStatus.COMPLETED).result is None


def test_a_result_that_cannot_be_stored_fails_the_job(start: Start, tmp_path: Path):
    program = tmp_path / "careless_worker.py"
    program.write_text(
        "from worker import main\n\n"
        "nested = []\n"
        "for _ in range(5000):\n"
        "    nested = [nested]\n"
        "results = {'large': 'x' * 70_000, 'larger': 'x' * 2_000_000, 'no JSON': object(), 'deep': nested}\n"
        "raise SystemExit(main(lambda job: {'output': results[job.name]}))\n"
    )
    expected = {"large": "bytes", "larger": "bytes", "no JSON": "not JSON serializable", "deep": "recursion"}
    jobs = {actions.create_job(by="ada", name=name): why for name, why in expected.items()}
    until_ended(start(program, "--drain"))
    for job, why in jobs.items():
        event, reason, _ = history(job)[-1]
        assert (event, why in str(reason)) == ("job_failed", True), job.name


def test_a_worker_that_is_stopped_finishes_its_job_and_claims_no_more(start: Start):
    first, second = submit(seconds=2), submit()
    worker = start("worker.py")
    until(first, JobStatus.RUNNING)
    send(worker, signal.SIGTERM)
    until_ended(worker)
    assert until(first, JobStatus.COMPLETED).attempts == 0
    assert until(second, JobStatus.PENDING).worker is None


def test_a_worker_that_is_stopped_gives_back_what_takes_too_long(start: Start):
    job = submit(seconds=600)
    worker = start("worker.py", "--grace-seconds", "0", "--name", "ada-1")
    until(job, JobStatus.RUNNING)
    send(worker, signal.SIGINT)
    assert "given back" in until_ended(worker)
    job = until(job, JobStatus.PENDING)
    assert (job.attempts, job.worker, job.lease_token) == (0, None, None)
    assert history(job)[-1] == ("job_requeued", "The worker was stopped", "ada-1")


def stopped_at_work(start: Start, program: Path) -> Job:
    """Stop a worker while it does a job, and wait until it has ended; return the job."""
    job = submit()
    worker = start(program, "--grace-seconds", "0")
    until(job, JobStatus.RUNNING)
    send(worker, signal.SIGTERM)
    until_ended(worker)
    return job


def test_a_job_is_given_back_even_if_its_handler_does_not_notice(start: Start, tmp_path: Path):
    program = tmp_path / "stubborn_worker.py"
    program.write_text(
        "import time\nfrom worker import main\nraise SystemExit(main(lambda job: time.sleep(600)))\n"
    )
    job = stopped_at_work(start, program)
    until(job, JobStatus.PENDING)


def test_a_job_that_fails_when_its_worker_is_stopped_is_not_given_back(start: Start, tmp_path: Path):
    program = tmp_path / "failing_worker.py"
    program.write_text(
        "from worker import JobStopped, main\n\n"
        "def work(job):\n"
        "    try:\n"
        "        job.wait(600)\n"
        "    except JobStopped:\n"
        "        raise ValueError('cannot clean up')\n\n"
        "raise SystemExit(main(work))\n"
    )
    job = stopped_at_work(start, program)
    assert [event for event, *_ in history(job)] == ["job_created", "job_started", "job_failed"]


def test_another_worker_does_the_job_of_one_that_was_killed(start: Start):
    job = submit(seconds=600)
    killed = start("worker.py", *LEASE, "--name", "killed")
    until(job, JobStatus.RUNNING)
    killed.kill()
    wait_until(lambda: requeue_expired().requeued, what="expired lease")
    Job.objects.filter(pk=job.pk).update(metadata={"seconds": 0})
    start("worker.py", *LEASE, "--name", "other")
    assert until(job, JobStatus.COMPLETED).attempts == 1
    assert [event for event, *_ in history(job)] == [
        "job_created",
        "job_started",
        "job_requeued",
        "job_started",
        "job_completed",
    ]
    assert history(job)[-1][2] == "other"


def test_heartbeats_keep_a_job_that_takes_longer_than_its_lease(start: Start):
    job = submit(seconds=7)
    start("worker.py", *LEASE)
    first = until(job, JobStatus.RUNNING).lease_expires_at
    assert first is not None

    def is_over() -> bool:
        assert requeue_expired().requeued == 0
        return Job.objects.get(pk=job.pk).status == "completed"

    wait_until(is_over, what="completed job")


def test_a_worker_goes_on_when_the_service_was_away(
    start: Start, account: dict[str, str], database_url: str, tmp_path: Path
):
    log, env = tmp_path / "own_web.log", {"DATABASE_URL": database_url}
    server = WebServer(log, env, workers=1)
    worker = start("worker.py", KYROS_URL=server.url)
    job = submit(seconds=2)
    until(job, JobStatus.RUNNING)
    server.close()
    # The first attempts to report fail. A report needs no connection of before.
    wait_until(lambda: "no heartbeat" in worker.log.read_text(), what="failed request")
    server = WebServer(log, env, workers=1, port=server.port)
    try:
        assert until(job, JobStatus.COMPLETED).attempts == 0
        until(submit(), JobStatus.COMPLETED)
    finally:
        server.close()


def test_a_cancelled_job_is_stopped_and_the_worker_goes_on(start: Start):
    job = submit(seconds=600)
    worker = start("worker.py", *LEASE)
    until(job, JobStatus.RUNNING)
    actions.change_status(job.pk, JobStatus.CANCELLED, by="ada")
    wait_until(lambda: "stopped (the job is cancelled" in worker.log.read_text(), what="line in the log")
    until(submit(), JobStatus.COMPLETED)
    assert Job.objects.get(pk=job.pk).status == "cancelled"


def test_a_deleted_job_is_stopped_and_the_worker_goes_on(start: Start):
    job = submit(seconds=600)
    worker = start("worker.py", *LEASE)
    until(job, JobStatus.RUNNING)
    actions.delete_job(job.pk, by="ada")
    wait_until(lambda: "stopped (the job is deleted" in worker.log.read_text(), what="line in the log")
    until(submit(), JobStatus.COMPLETED)


def test_a_worker_that_may_not_sign_in_says_so_and_ends(start: Start):
    log = until_ended(start("worker.py", KYROS_PASSWORD="wrong"))
    assert "/auth/login/: 401" in log
    assert "wrong" not in log
    assert "a client needs" in until_ended(start("worker.py", KYROS_USERNAME=""))


def test_no_secret_is_an_argument_of_a_program(start: Start, account: dict[str, str]):
    worker = start("worker.py")
    until(submit(seconds=600), JobStatus.RUNNING)
    arguments = Path(f"/proc/{worker.pid}/cmdline").read_bytes().decode()
    assert account["KYROS_PASSWORD"] not in arguments


shell = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("python3")), reason="needs curl and python3"
)


@shell
def test_the_shell_worker_runs_a_command_for_each_job(start: Start):
    good, bad = submit(priority=1, queue="mail"), submit(queue="mail")
    # The first job is good, because its priority is higher.
    command = "printf 'it \"works\"\\n'; ! grep -q '\"priority\": *0'"
    worker = start("worker.sh", "mail", "/bin/sh", "-c", command)
    assert until(good, JobStatus.COMPLETED).result == {"output": 'it "works"\n'}
    until(bad, JobStatus.FAILED)
    assert history(bad)[-1][1] == "Exit status 1"
    assert worker.running


@shell
def test_the_output_of_the_shell_workers_command_may_be_binary(start: Start):
    job = submit(queue="mail")
    start("worker.sh", "mail", "printf", r"a\000\377b")
    assert until(job, JobStatus.COMPLETED).result == {"output": "a\ufffd\ufffdb"}


@shell
def test_the_shell_worker_keeps_its_lease_and_gives_its_job_back_when_stopped(start: Start):
    job = submit(queue="mail")
    worker = start("worker.sh", "mail", "sleep", "600")
    first = until(job, JobStatus.RUNNING).lease_expires_at
    wait_until(lambda: Job.objects.get(pk=job.pk).lease_expires_at != first, what="heartbeat")
    send(worker, signal.SIGTERM)
    until_ended(worker)
    job = until(job, JobStatus.PENDING)
    assert history(job)[-1][1] == "The worker was stopped"


@shell
def test_the_shell_worker_gives_back_a_job_if_the_signal_comes_during_the_claim(start: Start, tmp_path: Path):
    # Every program of the worker gets the signal, as after Ctrl-C in a terminal.
    curl = tmp_path / "curl"
    # The signal comes when the request's body is complete.
    curl.write_text(
        f"#!/bin/sh\nbody=$(cat)\ncase $* in */claim/*) kill -s TERM 0 ;; esac\n"
        f'printf %s "$body" | {shutil.which("curl")} "$@"\n'
    )
    curl.chmod(0o755)
    job = submit(queue="mail")
    log = until_ended(start("worker.sh", "mail", "sleep", "600", PATH=f"{tmp_path}:{os.environ['PATH']}"))
    job = until(job, JobStatus.PENDING)
    assert history(job)[-1][1] == "The worker was stopped"
    assert "Traceback" not in log


@shell
def test_the_shell_worker_ends_the_command_of_a_cancelled_or_deleted_job(start: Start):
    worker = start("worker.sh", "mail", "sleep", "600")
    cancelled = submit(queue="mail")
    until(cancelled, JobStatus.RUNNING)
    actions.change_status(cancelled.pk, JobStatus.CANCELLED, by="ada")
    wait_until(lambda: "Exit status" in worker.log.read_text(), what="line in the log")
    assert Job.objects.get(pk=cancelled.pk).status == "cancelled"
    deleted = submit(queue="mail")
    until(deleted, JobStatus.RUNNING)
    actions.delete_job(deleted.pk, by="ada")
    wait_until(lambda: f"{deleted.pk}: Exit status" in worker.log.read_text(), what="line in the log")


def test_many_jobs_are_submitted_in_one_request_and_once_for_each_key(account: dict[str, str]):
    jobs = [{"name": f"job {number}", "priority": number} for number in range(200)]
    url, password = account["KYROS_URL"], account["KYROS_PASSWORD"]
    with closing(Client(url, username="runner", password=password)) as client:
        created = client.submit_many(jobs, key="batch")
        assert [job["priority"] for job in created] == list(range(200))
        again = client.submit_many(jobs, key="batch")
        assert [job["id"] for job in again] == [job["id"] for job in created]
        assert Job.objects.count() == 200
        assert len(client.claim("ada", limit=100)) == 100
