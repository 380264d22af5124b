"""A running service, and how it recovers. All tests share one service and leave it running."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password

from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.run.service import Service, clean_environment, rows

pytestmark = pytest.mark.engine_neutral


def test_it_is_ready_and_prints_its_url(running: Service):
    assert running.get("/readyz") == {"status": "ready", "cache": "up"}
    assert f"  address   {running.url}/" in running.output
    assert str(running.data_dir) in running.output


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.0\r\nHost: evil.example", "HTTP/1.1\r\nHost: a b"])
def test_health_checks_accept_any_host_and_none(running: Service, path: str, version: str):
    port = int(running.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as probe:
        probe.sendall(f"GET {path} {version}\r\nConnection: close\r\n\r\n".encode())
        assert probe.makefile("rb").readline().split()[1] == b"200"


def test_operator_has_a_random_password(running: Service):
    ((username, role, digest),) = rows(running.data_dir, "SELECT username, role, password FROM users")
    assert (username, role) == ("admin", "admin")
    assert len(running.password) >= 16
    assert check_password(running.password, digest)


def test_only_web_server_and_stream_listen_on_tcp_and_only_on_their_host(running: Service):
    listening = {
        connection.laddr
        for process in running.processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    port = int(running.url.rpartition(":")[2])
    assert listening == {("127.0.0.1", port), ("127.0.0.1", running.stream_port)}


def test_second_start_in_its_data_folder_is_refused_with_one_line(
    running: Service, service: Callable[..., Service]
):
    line = service(KYROS_DATA_DIR=running.data_dir).refused()
    assert str(running.data_dir) in line
    assert str(running.launcher.pid) in line
    assert running.url in line


def test_another_service_runs_beside_it_until_ctrl_c_ends_the_other(
    running: Service, service: Callable[..., Service]
):
    other = service().until_ready()
    for each in (running, other):
        assert each.get("/readyz") == {"status": "ready", "cache": "up"}
    # The fixture `running` covers SIGTERM.
    assert other.end(signal.SIGINT) == 128 + signal.SIGINT
    assert running.get("/readyz") == {"status": "ready", "cache": "up"}


def command(service: Service, *arguments: str) -> Any:
    """Run a management command that is told only the data folder; return its JSON document."""
    environment = clean_environment({"KYROS_DATA_DIR": service.data_dir})
    output = subprocess.check_output(
        [sys.executable, "manage.py", *arguments, "--json"],
        cwd=settings.BASE_DIR,
        env=environment,
        timeout=60,
    )
    return json.loads(output)


def test_commands_beside_it_find_its_cache(running: Service):
    client = HttpClient(running.url).sign_in("admin", running.password)
    assert client.get("/api/v1/tasks/").status == 200
    wait_until(lambda: client.get("/api/v1/tasks/").headers["X-Cache"] == "HIT", what="a cached response")
    assert command(running, "cache_health")["cache_health"]["status"] == "healthy"
    report = command(running, "cache_audit")
    assert report["error"] is None
    assert report["verdicts"]["equal"] > 0
    found = command(running, "db_report")["database_performance"]["recommendations"]
    assert [each["id"] for each in found if each["level"] != "info"] == []


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("cache", "valkey-server"),
        ("relay", "cache_relay"),
        ("stream", "kyros.stream_server"),
        ("worker", "celery"),
    ],
)
def test_killed_process_that_the_service_can_run_without_is_restarted(
    running: Service, name: str, program: str
):
    killed = running.process(program)
    killed.kill()
    wait_until(lambda: not killed.is_running(), what=f"end of {program}")
    wait_until(
        lambda: any(program in " ".join(each.cmdline()) for each in running.running),
        what=f"start of {program}",
    )
    message = re.compile(rf"{name} +\| ended by itself \(SIGKILL\); restarting it")
    wait_until(lambda: message.search(running.output), what="message about the restart")
    wait_until(
        lambda: running.get("/readyz") == {"status": "ready", "cache": "up"}, what="connection to the cache"
    )


def responds(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30):
            return True
    except OSError:
        return False


def test_a_client_is_redirected_to_the_stream(running: Service):
    client = HttpClient(running.url).sign_in("admin", running.password)
    wait_until(
        lambda: responds(running.stream_port), what="the stream's process, which another test has killed"
    )
    headers = {**client.headers, "Accept": "text/event-stream"}
    request = urllib.request.Request(f"{running.url}/api/v1/events/stream/", headers=headers)  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - http
        assert response.url.startswith(
            f"http://127.0.0.1:{running.stream_port}/api/v1/events/stream/?ticket="
        )
        assert response.readline() == b": ok\n"


def test_web_worker_is_replaced_as_often_as_it_is_killed(running: Service):
    def serves() -> bool:
        try:
            return bool(running.get("/healthz"))
        except OSError:
            return False

    server = running.process("kyros.web_server")
    for _ in range(3):
        (worker,) = server.children()
        worker.kill()
        worker.wait()
        wait_until(serves)
    assert server.is_running()
