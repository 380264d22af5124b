"""A disk that is full: reads go on, writes are refused with the reason, no process ends, and all recovers."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.http_client import HttpClient, Response
from tests.polling import wait_until
from tests.run.service import Service

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

#: The static files take half of it.
MEGABYTES = 64
PASSWORD = "a password for the tests of a full disk"
TOKEN = "a metrics token of the tests"
JOBS = "/api/v1/jobs/"


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a small file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system, and only where the system allows it")
    yield disk / "data"
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Fill a file system to the last byte; return the file that does it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(disk).f_bavail == 0
    return filler


def test_reads_go_on_and_writes_recover(service: Callable[..., Service], data_dir: Path):
    running = service(KYROS_ADMIN_PASSWORD=PASSWORD, METRICS_TOKEN=TOKEN, WEB_WORKERS=2).until_ready()
    client = HttpClient(running.url).sign_in("admin", PASSWORD)
    monitor = HttpClient(running.url, {"Authorization": f"Bearer {TOKEN}"})
    job = client.post(JOBS, {"name": "before"}).json()["id"]
    processes = running.running

    filler = fill(data_dir.parent)

    def refused() -> Response | None:  # SQLite's log may have space left
        response = client.post(JOBS, {"name": "meanwhile", "metadata": {"text": "x" * 60_000}})
        assert response.status in (201, 503), response.text
        return response if response.status == 503 else None

    response = wait_until(refused, what="a refused write")
    assert "disk is full" in response.json()["detail"]
    assert "Retry-After" in response.headers
    assert client.get("/readyz").json()["writes"] == "the disk is full"
    for path in ("/healthz", "/readyz", f"{JOBS}{job}/", JOBS, f"{JOBS}?status=pending", f"{JOBS}counts/"):
        for _ in range(20):  # so that each worker responds
            assert client.get(path).status == 200
    assert monitor.get("/metrics").status == 200

    filler.unlink()
    assert client.post(JOBS, {"name": "after"}).status == 201
    assert client.get("/readyz").json() == {"status": "ready", "cache": "up"}
    assert running.running == processes
