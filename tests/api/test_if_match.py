"""`If-Match`: a change that is based on an outdated representation is 412 and changes nothing."""

import pytest

from orchestrator import actions
from orchestrator.models import Event
from tests.users import make_user

pytestmark = pytest.mark.django_db

#: Each change of a detail: its path, method and body. ``put_status`` is a PUT of the job's status.
CHANGES = [
    ("jobs", "put_status", {"status": "running"}),
    ("jobs", "patch", {"priority": 7}),
    ("jobs", "delete", None),
    ("tasks", "put", {"title": "new"}),
    ("tasks", "patch", {"title": "new"}),
    ("tasks", "delete", None),
    ("users", "patch", {"role": "moderator"}),
    ("users", "delete", None),
]

#: Values of the header, with the detail's current ETag as ``{etag}``, and without quotes as ``{bare}``.
CURRENT = ["{etag}", "*", '"other", {etag}', '{etag} , "other"', ' "a,b",{etag}']
OUTDATED = ['"other"', "W/{etag}", '"other", "another"', "", "nonsense", "{bare}", "'{bare}'", '""']


@pytest.fixture
def urls():
    """The URLs of a job, a task and a user, by path."""
    rows = {
        "jobs": actions.create_job(by="ada", name="old", metadata={"zone": 1, "a": [1.5, None]}),
        "tasks": actions.create_task(title="old"),
        "users": make_user("ada"),
    }
    return {path: f"/api/v1/{path}/{row.pk}/" for path, row in rows.items()}


def header(template, response):
    return template.format(etag=response["ETag"], bare=response["ETag"].strip('"'))


def send(client, method, url, body, if_match):
    if method == "put_status":
        method, url = "put", f"{url}status/"
    return getattr(client, method)(url, body, HTTP_IF_MATCH=if_match)


@pytest.mark.one_engine
@pytest.mark.parametrize(("path", "method", "body"), CHANGES)
@pytest.mark.parametrize("if_match", CURRENT)
def test_a_change_with_the_current_etag_is_made(as_admin, urls, path, method, body, if_match):
    seen = as_admin.get(urls[path])
    response = send(as_admin, method, urls[path], body, header(if_match, seen))
    assert response.status_code == (204 if method == "delete" else 200)
    assert as_admin.get(urls[path]).content != seen.content


@pytest.mark.one_engine
@pytest.mark.parametrize(("path", "method", "body"), CHANGES)
def test_a_change_with_another_etag_is_412_and_changes_nothing(as_admin, urls, path, method, body):
    seen, events = as_admin.get(urls[path]), Event.objects.count()
    for if_match in OUTDATED:
        response = send(as_admin, method, urls[path], body, header(if_match, seen))
        assert response.status_code == 412, if_match
        assert seen["ETag"] in response.json()["detail"], if_match
        assert as_admin.get(urls[path]).content == seen.content, if_match
        assert Event.objects.count() == events, if_match


@pytest.mark.parametrize(("path", "method", "body"), CHANGES)
def test_a_change_of_an_unknown_row_is_404_whatever_the_etag(as_admin, urls, path, method, body):
    etag = as_admin.get(urls[path])["ETag"]
    as_admin.delete(urls[path])
    for if_match in (etag, "*", '"other"'):
        response = send(as_admin, method, urls[path], body, if_match)
        assert response.status_code == 404


@pytest.mark.parametrize(("path", "field"), [("jobs", "name"), ("tasks", "title"), ("users", "username")])
def test_the_second_of_two_edits_of_the_same_representation_is_412(as_admin, urls, path, field):
    etag = as_admin.get(urls[path])["ETag"]
    assert as_admin.patch(urls[path], {field: "first"}, HTTP_IF_MATCH=etag).status_code == 200
    assert as_admin.patch(urls[path], {field: "second"}, HTTP_IF_MATCH=etag).status_code == 412
    assert as_admin.get(urls[path]).json()[field] == "first"
    etag = as_admin.get(urls[path])["ETag"]
    assert as_admin.patch(urls[path], {field: "second"}, HTTP_IF_MATCH=etag).json()[field] == "second"


def test_a_job_whose_status_changed_meanwhile_is_412(as_admin, urls):
    etag = as_admin.get(urls["jobs"])["ETag"]
    as_admin.put(f"{urls['jobs']}status/", {"status": "running"})
    assert as_admin.patch(urls["jobs"], {"priority": 7}, HTTP_IF_MATCH=etag).status_code == 412
    assert as_admin.delete(urls["jobs"], HTTP_IF_MATCH=etag).status_code == 412
    assert send(as_admin, "put_status", urls["jobs"], {"status": "running"}, etag).status_code == 412
    assert send(as_admin, "put_status", urls["jobs"], {"status": "completed"}, etag).status_code == 412


@pytest.mark.parametrize(("path", "field"), [("jobs", "name"), ("tasks", "title"), ("users", "username")])
def test_the_etag_of_a_patch_is_good_for_the_next_patch(as_admin, urls, path, field):
    etag = as_admin.get(urls[path])["ETag"]
    for number in range(3):
        response = as_admin.patch(urls[path], {field: f"n{number}"}, HTTP_IF_MATCH=etag)
        assert response.status_code == 200
        etag = response["ETag"]
        assert etag == as_admin.get(urls[path])["ETag"]
