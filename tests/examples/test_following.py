"""The client of `examples/` follows the event stream."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.models import Event, Job
from tests.examples.conftest import EXAMPLES
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess
from tests.servers.stream import StreamServer

pytestmark = [pytest.mark.slow, pytest.mark.one_engine]


def changes_of(job: Job) -> list[tuple[str | None, str]]:
    """Return the statuses before and after each event of a job."""
    events = Event.objects.filter(job_id=job.pk).order_by("created_at", "id")
    return [(event.payload["from"], event.payload["to"]) for event in events]


def printed(program: ChildProcess) -> list[tuple[str | None, str]]:
    """Return the same of the events that a program has printed."""
    payloads = [json.loads(line.split(maxsplit=2)[2]) for line in program.log.read_text().splitlines()]
    return [(payload["from"], payload["to"]) for payload in payloads]


def test_it_follows_a_job_from_its_creation_across_a_restart_of_the_stream(
    start: Callable[..., ChildProcess], stream_server: StreamServer
):
    job = actions.create_job(by="ada", name="followed")
    actions.create_job(by="ada", name="another")
    actions.change_status(job.pk, JobStatus.RUNNING, by="ada")
    follower = start("jobs.py", "follow", str(job.pk))
    wait_until(lambda: len(printed(follower)) == 2, what="history")
    actions.change_status(job.pk, JobStatus.PENDING, by="ada")
    wait_until(lambda: len(printed(follower)) == 3, what="event that has just happened")
    stream_server.process.kill()
    actions.change_status(job.pk, JobStatus.RUNNING, by="ada")
    stream_server.start()
    actions.change_status(job.pk, JobStatus.FAILED, by="ada")
    wait_until(lambda: not follower.running, what="end of the program")
    assert printed(follower) == changes_of(job)


def test_submitted_on_the_command_line_done_by_a_worker_and_followed_to_the_end(
    start: Callable[..., ChildProcess], account: dict[str, str], stream_server: StreamServer
):
    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, EXAMPLES / "jobs.py", *arguments],
            env={**account, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    submitted = run("submit", "summarise the inbox", "--priority", "5", "--key", "once")
    assert submitted.returncode == 0, submitted.stderr
    job_id = submitted.stdout.strip()
    assert Job.objects.get(pk=job_id).priority == 5
    assert run("submit", "summarise the inbox", "--priority", "5", "--key", "once").stdout == submitted.stdout
    start("worker.py", "--drain")
    followed = run("follow", job_id)
    assert followed.returncode == 0, followed.stderr
    types = [line.split(maxsplit=2)[1] for line in followed.stdout.splitlines()]
    assert types == ["job_created", "job_started", *["job_progress"] * 4, "job_completed"]
    last = json.loads(followed.stdout.splitlines()[-1].split(maxsplit=2)[2])
    assert (last["from"], last["to"], last["by"]) == ("running", "completed", "runner")
    assert "/auth/login/: 401" in run("follow", job_id, KYROS_PASSWORD="wrong").stderr
