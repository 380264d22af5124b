"""Tasks: versions and ETags. `If-Match` is tested in `test_if_match`."""

import pytest

from orchestrator.models import Task

pytestmark = pytest.mark.django_db

TASKS = "/api/v1/tasks/"


@pytest.fixture
def task(as_user):
    """A task and its entity tag, as a client reads them."""
    address = as_user.post(TASKS, {"title": "Label invoices", "description": "All of May"})["Location"]
    return as_user.get(address)


def address_of(task):
    return f"{TASKS}{task.json()['id']}/"


def test_a_new_task_is_returned_complete(as_user):
    answer = as_user.post(TASKS, {"title": " Label invoices "})
    assert answer.status_code == 201
    assert list(answer.json()) == ["id", "title", "description", "version", "created_at", "updated_at"]
    assert (answer.json()["title"], answer.json()["description"], answer.json()["version"]) == (
        "Label invoices",
        "",
        1,
    )
    assert answer["ETag"] == as_user.get(answer["Location"])["ETag"]


def test_every_change_raises_the_version_and_changes_the_etag(as_user, as_moderator, task):
    address, seen = address_of(task), {task["ETag"]}
    changes = [
        lambda: as_user.patch(address, {"title": "Label receipts"}),
        lambda: as_user.put(address, {"title": "Label receipts", "description": ""}),
        lambda: as_user.patch(address, {"title": "Label receipts"}),
        lambda: as_moderator.patch(address, {}),
    ]
    for version, change in enumerate(changes, start=2):
        answer = change()
        assert answer.status_code == 200
        assert answer.json()["version"] == version
        read = as_user.get(address)
        assert read.json() == answer.json()
        assert answer.get("ETag", read["ETag"]) == read["ETag"]
        assert read["ETag"] not in seen
        seen.add(read["ETag"])


def test_a_patch_returns_an_etag_and_a_put_does_not(as_user, task):
    """A tag on the answer to a PUT would say that the body was stored as it came (RFC 9110, 9.3.4)."""
    address = address_of(task)
    assert "ETag" not in as_user.put(address, {"title": "x"})
    assert "ETag" in as_user.patch(address, {"title": "x"})


def test_bulk_changes_raise_the_version_too(as_user, task):
    Task.objects.update(description="")
    assert as_user.get(address_of(task)).json()["version"] == 2
