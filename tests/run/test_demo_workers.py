"""The workers that `make run` starts for its demo data."""

import pytest

from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.run.service import rows

pytestmark = pytest.mark.engine_neutral

DONE = "SELECT id FROM jobs WHERE worker LIKE 'demo-_' AND status IN ('completed', 'failed')"


def demo_processes(service):
    return [each for each in service.running if "kyros.run.demo_workers" in " ".join(each.cmdline())]


def test_demo_workers_do_the_demos_jobs_only_and_restart_after_a_crash(service, data_dir):
    started = service(DEMO_JOBS=200, DEMO_WORKERS=2).until_ready()
    client = HttpClient(started.url).sign_in("admin", started.password)
    own = client.post("/api/v1/jobs/", {"name": "mine", "priority": 1000}).json()
    wait_until(lambda: len(rows(data_dir, DONE)) > 1, what="two jobs that are done")
    # Each job that is done is followed by another one.
    wait_until(lambda: rows(data_dir, "SELECT count(*) FROM jobs") > [(202,)], what="a job that follows")
    assert client.get(f"/api/v1/jobs/{own['id']}/").json()["status"] == "pending"

    (killed,) = demo_processes(started)
    killed.kill()
    before = len(rows(data_dir, DONE))
    wait_until(lambda: len(rows(data_dir, DONE)) > before, what="a job that is done after the restart")
    started.end()
    assert "Traceback" not in started.output


def test_their_account_has_no_password_and_no_process_has_a_secret(service, data_dir):
    started = service(DEMO_JOBS=30, DEMO_WORKERS=1).until_ready()
    account = "SELECT password, role FROM users WHERE username = 'demo-worker'"
    ((password, role),) = rows(data_dir, account)
    assert (password[0], role) == ("!", "user")
    (process,) = demo_processes(started)
    assert not any(
        "TOKEN" in name or "PASSWORD" in name for name, value in process.environ().items() if value
    )


def test_an_account_that_may_not_sign_in_does_not_end_the_service(service, data_dir):
    started = service(DEMO_JOBS=30, DEMO_WORKERS=1).until_ready()
    client = HttpClient(started.url).sign_in("admin", started.password)
    users = client.get("/api/v1/users/?limit=1000").json()["results"]
    (account,) = [user["id"] for user in users if user["username"] == "demo-worker"]
    assert client.patch(f"/api/v1/users/{account}/", {"active": False}).status == 200
    wait_until(lambda: "demo-1 cannot work" in started.output, what="message")
    assert started.get("/readyz")["status"] == "ready"
    started.end()
    # An operator who deactivates the account turns the workers off.
    assert demo_processes(service(DEMO_JOBS=30, DEMO_WORKERS=1).until_ready()) == []


def test_without_demo_data_there_are_no_demo_workers(service):
    service().until_ready().end()
    second = service(DEMO_JOBS=30, DEMO_WORKERS=2).until_ready()
    assert demo_processes(second) == []
    second.end()


def test_demo_workers_can_be_turned_off(service):
    service(DEMO_JOBS=30, DEMO_WORKERS=0).until_ready().end()
    second = service(DEMO_JOBS=0, DEMO_WORKERS=2).until_ready()
    assert demo_processes(second) == []
