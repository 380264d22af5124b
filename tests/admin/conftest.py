"""Clients signed in to the admin, and rows. ``test_access`` tests the sign-in form."""

import pytest
from django.test import Client

from orchestrator import actions
from orchestrator.models import Event, Job, Task


def enter(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin_console(admin_user):
    return enter(admin_user)


@pytest.fixture
def console(moderator):
    return enter(moderator)


@pytest.fixture
def job(db) -> Job:
    return actions.create_job(by="ada", name="Index documents", metadata={"pages": 7, "note": "<b>"})


@pytest.fixture
def event(job) -> Event:
    return Event.objects.get(job_id=job.pk)


@pytest.fixture
def task(db) -> Task:
    return actions.create_task(title="Check the backups", description="All of them")
