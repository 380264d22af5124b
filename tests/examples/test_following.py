"""The client of `examples/` follows the event stream."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from kyros_client import Client

from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.models import Event, Job
from tests.examples.conftest import EXAMPLES
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess
from tests.servers.stream import StreamServer

pytestmark = [pytest.mark.slow, pytest.mark.one_engine]


@pytest.fixture
def client(account: dict[str, str], stream_server: StreamServer, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client that signs in when it has to."""
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    return Client.from_environment()


def follow(client: Client, *arguments: str) -> list[str]:
    """Follow in a thread; return the list to which it adds the ids of events."""
    ids: list[str] = []

    def read() -> None:
        ids.extend(event["id"] for event in client.follow(*arguments))

    threading.Thread(target=read, daemon=True).start()
    return ids


def ids_of(job: Job) -> list[str]:
    events = Event.objects.filter(job_id=job.pk).order_by("created_at", "id")
    return [str(pk) for pk in events.values_list("pk", flat=True)]


def test_it_follows_a_job_from_its_creation_across_a_restart_of_the_stream(
    client: Client, stream_server: StreamServer
):
    job = actions.create_job(by="ada", name="followed")
    actions.create_job(by="ada", name="another")
    actions.change_status(job.pk, JobStatus.RUNNING, by="ada")
    told = follow(client, str(job.pk))
    wait_until(lambda: told == ids_of(job), what="history")
    actions.change_status(job.pk, JobStatus.PENDING, by="ada")
    wait_until(lambda: told == ids_of(job), what="event that has just happened")
    stream_server.process.kill()
    actions.change_status(job.pk, JobStatus.RUNNING, by="ada")
    stream_server.start()
    actions.change_status(job.pk, JobStatus.COMPLETED, by="ada")
    wait_until(lambda: len(told) == 5, what="events during the restart and after it")
    assert told == ids_of(job)


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
