"""The workers that `make run` starts for its demo data."""

import pytest

from kyros.run import launcher
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.run.service import rows

pytestmark = pytest.mark.engine_neutral

DONE = "SELECT id FROM jobs WHERE worker LIKE 'demo-_' AND status IN ('completed', 'failed')"


def demo_processes(service):
    return [each for each in service.running if "kyros.run.demo_workers" in " ".join(each.cmdline())]


def test_demo_workers_do_the_demos_jobs_only_until_their_account_is_deactivated(service, data_dir):
    started = service(DEMO_JOBS=200, DEMO_WORKERS=2).until_ready()
    client = HttpClient(started.url).sign_in("admin", started.password)
    own = client.post("/api/v1/jobs/", {"name": "mine", "priority": 1000}).json()
    account = "SELECT password, role FROM users WHERE username = 'demo-worker'"
    ((password, role),) = rows(data_dir, account)
    assert (password[0], role) == ("!", "user")
    wait_until(lambda: len(rows(data_dir, DONE)) > 1, what="two jobs that are done")
    # Each job that is done is followed by another one.
    wait_until(lambda: rows(data_dir, "SELECT count(*) FROM jobs") > [(202,)], what="a job that follows")
    assert client.get(f"/api/v1/jobs/{own['id']}/").json()["status"] == "pending"

    (process,) = demo_processes(started)
    secrets = [name for name, value in process.environ().items() if value and is_secret(name)]
    assert secrets == []
    process.kill()
    before = len(rows(data_dir, DONE))
    wait_until(lambda: len(rows(data_dir, DONE)) > before, what="a job that is done after the restart")

    users = client.get("/api/v1/users/?limit=1000").json()["results"]
    (worker,) = [user["id"] for user in users if user["username"] == "demo-worker"]
    assert client.patch(f"/api/v1/users/{worker}/", {"active": False}).status == 200
    wait_until(lambda: "demo-1 cannot work" in started.output, what="message")
    assert started.get("/readyz")["status"] == "ready"
    started.end()
    assert "Traceback" not in started.output
    # An operator who deactivates the account turns the workers off.
    assert demo_processes(service(DEMO_JOBS=200, DEMO_WORKERS=2).until_ready()) == []


def is_secret(name):
    return "TOKEN" in name or "PASSWORD" in name


@pytest.mark.parametrize(
    ("has_demo", "jobs", "workers", "are_left_out"),
    [(True, 30, 2, False), (False, 30, 2, True), (True, 0, 2, True), (True, 30, 0, True)],
    ids=["demo", "no demo data", "DEMO_JOBS=0", "DEMO_WORKERS=0"],
)
def test_without_demo_data_there_are_no_demo_workers(settings, has_demo, jobs, workers, are_left_out):
    settings.DEMO_JOBS, settings.DEMO_WORKERS = jobs, workers
    left_out = launcher._without(None, has_demo=has_demo)  # noqa: SLF001
    assert ("demo_workers" in left_out) is are_left_out
