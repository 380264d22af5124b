"""The background worker, on a real broker."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings

from kyros import addresses
from monitoring.models import TableSnapshot
from tests.servers.leashed import Leashed
from tests.servers.valkey import ValkeyServer
from tests.servers.web import procfile
from tests.waiting import wait_until


def start(log: Path, env: Mapping[str, str]) -> Leashed:
    Path(env["KYROS_DATA_DIR"]).mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return Leashed(["/bin/sh", "-c", procfile("worker")], log, env={**os.environ, "PATH": path, **env})


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
        client = Celery(broker=addresses.broker(addresses.cache(server.url)))
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


@pytest.mark.engine_neutral
def test_every_scheduled_task_exists():
    code = (
        "from kyros.celery import app; app.loader.import_default_modules(); "
        "print(set(app.conf.beat_schedule) <= set(app.tasks))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "True"
