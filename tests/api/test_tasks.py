"""Tasks: versions, entity tags, and edits that would overwrite somebody else's."""

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


CURRENT = ["{etag}", "*", '"other", {etag}', '{etag} , "other"', ' "a,b",{etag}']
STALE = ['"other"', "W/{etag}", '"other", "another"', "", "nonsense", "{bare}", "'{bare}'", '""']


def fill(if_match, task):
    return if_match.format(etag=task["ETag"], bare=task["ETag"].strip('"'))


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("if_match", CURRENT)
def test_a_change_with_the_current_etag_is_made(as_moderator, task, method, if_match):
    answer = getattr(as_moderator, method)(
        address_of(task), {"title": "x"}, HTTP_IF_MATCH=fill(if_match, task)
    )
    assert answer.status_code == (204 if method == "delete" else 200)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("if_match", STALE)
def test_a_change_with_another_etag_is_412_and_changes_nothing(as_moderator, task, method, if_match):
    answer = getattr(as_moderator, method)(
        address_of(task), {"title": "x"}, HTTP_IF_MATCH=fill(if_match, task)
    )
    assert answer.status_code == 412
    assert task["ETag"] in answer.json()["detail"]
    assert as_moderator.get(address_of(task)).json() == task.json()


def test_the_second_of_two_edits_of_the_same_version_is_412(as_user, as_moderator, task):
    address, tag = address_of(task), task["ETag"]
    assert as_user.patch(address, {"title": "first"}, HTTP_IF_MATCH=tag).status_code == 200
    assert as_moderator.patch(address, {"title": "second"}, HTTP_IF_MATCH=tag).status_code == 412
    assert as_user.get(address).json()["title"] == "first"
    fresh = as_moderator.get(address)["ETag"]
    assert as_moderator.patch(address, {"title": "second"}, HTTP_IF_MATCH=fresh).json()["version"] == 3


def test_the_etag_of_a_patch_is_good_for_the_next_patch(as_user, task):
    tag = task["ETag"]
    for number in range(3):
        answer = as_user.patch(address_of(task), {"title": f"{number}"}, HTTP_IF_MATCH=tag)
        assert answer.status_code == 200
        tag = answer["ETag"]


def test_a_change_of_an_unknown_task_is_404_whatever_the_etag(as_moderator, task):
    as_moderator.delete(address_of(task))
    for method in (as_moderator.put, as_moderator.patch, as_moderator.delete):
        assert method(address_of(task), {"title": "x"}, HTTP_IF_MATCH=task["ETag"]).status_code == 404


def test_bulk_changes_raise_the_version_too(as_user, task):
    Task.objects.update(description="")
    assert as_user.get(address_of(task)).json()["version"] == 2
