"""The console's page about the archive."""

from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from monitoring.models import BackgroundTask
from orchestrator import archive
from orchestrator.models import Event
from tests.archive.sample_rows import save_many
from tests.servers.valkey import ValkeyServer

pytestmark = [pytest.mark.one_engine, pytest.mark.django_db(transaction=True)]

PAGE, START = "/admin/archive/", "/admin/archive/start/"


@pytest.fixture(autouse=True)
def _archive_dir(settings: LazySettings, tmp_path: Path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"


def worker_ran(seconds_ago: int) -> None:
    BackgroundTask.objects.create(
        name="requeue_expired", started_at=timezone.now() - timedelta(seconds=seconds_ago)
    )


def waiting_tasks(client: redis.Redis) -> int:
    return sum(int(client.llen(key)) for key in client.keys("*celery") if client.type(key) == b"list")


@pytest.fixture
def broker(valkey: ValkeyServer) -> redis.Redis:
    return valkey.client()


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_the_page_shows_files_and_a_dry_run(console: Client):
    assert "Nothing is archived yet." in text_of(console, PAGE)
    save_many(10)
    shown = text_of(console, f"{PAGE}?dry_run=1")
    assert "28 events, from " in shown
    assert "6 jobs, from " in shown
    assert Event.objects.count() > 28
    archive.run_due()
    shown = text_of(console, f"{PAGE}?dry_run=1")
    assert "No events would be archived." in shown
    assert all(file.name in shown for file in archive.files())


def test_only_admins_start_a_run(console: Client, broker: redis.Redis):
    worker_ran(seconds_ago=1)
    assert START not in text_of(console, PAGE)
    assert console.post(START).status_code == 403
    assert waiting_tasks(broker) == 0


def test_a_run_is_started_in_the_worker(admin_console: Client, broker: redis.Redis):
    worker_ran(seconds_ago=1)
    assert START in text_of(admin_console, PAGE)
    assert admin_console.get(START).status_code == 405
    response = admin_console.post(START, follow=True)
    assert "The background worker archives what is due." in response.content.decode()
    assert waiting_tasks(broker) == 1
    assert LogEntry.objects.get().change_message == "Started a run"


def test_without_a_worker_the_page_says_the_command(admin_console: Client, broker: redis.Redis):
    worker_ran(seconds_ago=60)
    response = admin_console.post(START, follow=True)
    assert "No background worker is up. Run `python manage.py archive` instead." in response.content.decode()
    assert waiting_tasks(broker) == 0


def test_a_broker_that_is_down_is_no_error(admin_console: Client, settings: LazySettings):
    worker_ran(seconds_ago=1)
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    response = admin_console.post(START, follow=True)
    assert "The background worker cannot be reached." in response.content.decode()
