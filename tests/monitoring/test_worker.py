"""The background worker, on a real broker."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings

from kyros import connection_urls
from monitoring.models import BackgroundTask, TableSnapshot
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess
from tests.servers.valkey import ValkeyServer
from tests.servers.web import procfile


def start(log: Path, env: Mapping[str, str], command: str = "") -> ChildProcess:
    Path(env["KYROS_DATA_DIR"]).mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return ChildProcess(
        ["/bin/sh", "-c", command or procfile("worker")], log, env={**os.environ, "PATH": path, **env}
    )


# On SQLite processes write one after another, which tests/kyros/test_write_queue.py tests.
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_make_one_snapshot(
    valkey_server: Callable[..., ValkeyServer], database_url: str, tmp_path: Path
):
    server = valkey_server()
    env = {"REDIS_URL": server.url, "DATABASE_URL": database_url}
    workers = [
        start(tmp_path / f"{name}.log", {**env, "KYROS_DATA_DIR": str(tmp_path / name)})
        for name in ("one", "two")
    ]
    try:
        client = Celery(broker=connection_urls.broker_url(connection_urls.cache_url(server.url)))
        client.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        for _ in range(6):
            client.send_task("monitoring.tasks.snapshot_tables")
        wait_until(lambda: TableSnapshot.objects.count() == 4, 60, what="the snapshots")
        wait_until(lambda: server.execute("LLEN", "kyros:tasks:celery") == 0, 60)
        TableSnapshot.objects.all().delete()

        server.restart()  # the workers reconnect
        client.send_task("monitoring.tasks.snapshot_tables")
        wait_until(lambda: TableSnapshot.objects.count() == 4, 60, what="the snapshots after a restart")
        assert all(worker.running for worker in workers)
    finally:
        for worker in workers:
            worker.close()
    assert TableSnapshot.objects.count() == 4


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_worker_of_the_unit_runs_tasks_in_processes(
    valkey_server: Callable[..., ValkeyServer], database_url: str, tmp_path: Path
):
    unit = settings.BASE_DIR / "deploy" / "systemd" / "kyros-worker.service"
    (command,) = re.findall(r"(?m)^ExecStart=/srv/kyros/\.venv/bin/(.+)$", unit.read_text(encoding="utf-8"))
    env = {"REDIS_URL": valkey_server().url, "DATABASE_URL": database_url}
    worker = start(tmp_path / "log", {**env, "KYROS_DATA_DIR": str(tmp_path / "data")}, f"exec {command}")
    try:
        wait_until(lambda: runs("requeue_expired") > 1, 60, what="runs of a frequent task")
        wait_until(lambda: runs("run_bulk_changes") > 1, 60, what="runs of the bulk changes")
    finally:
        worker.stop()
    assert not BackgroundTask.objects.filter(failures__gt=0).exists()
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


def runs(name: str) -> int:
    return sum(BackgroundTask.objects.filter(name=name).values_list("runs", flat=True))


@pytest.mark.engine_neutral
@pytest.mark.slow
def test_every_scheduled_task_exists():
    code = (
        "from kyros.celery import app; app.loader.import_default_modules(); "
        "print(set(app.conf.beat_schedule) <= set(app.tasks))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "True"
