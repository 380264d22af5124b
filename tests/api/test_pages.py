"""The browsable pages: the same addresses, for people."""

import re
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from orchestrator.choices import Role
from orchestrator.models import Job, Task, User
from tests.people import PASSWORD, make_user

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def browser(client, moderator):
    """A browser in which a moderator has signed in, by the page."""
    answer = client.post(
        "/auth/session/login/", {"username": "moderator", "password": PASSWORD, "next": "/api/v1/jobs/"}
    )
    assert answer["Location"] == "/api/v1/jobs/"
    return client


def page(client, address, **more):
    answer = client.get(address, **HTML, **more)
    assert answer["Content-Type"].startswith("text/html")
    return answer.content.decode()


ADDRESSES = [
    "",
    "jobs/",
    "jobs/counts/",
    "jobs/{job}/",
    "jobs/{job}/events/",
    "events/",
    "events/recent/",
    "tasks/",
    "tasks/{task}/",
    "users/",
    "users/{user}/",
    "users/me/",
]


@pytest.fixture
def rows(db):
    return {
        "job": Job.objects.create(name="x").pk,
        "task": Task.objects.create(title="x").pk,
        "user": make_user("ada").pk,
    }


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_is_a_page_with_the_menu_and_without_the_network(browser, rows, address):
    text = page(browser, f"/api/v1/{address.format(**rows)}")
    assert "<b>Kyros Praxis</b> orchestrator" in text
    for link in (
        "/api/v1/jobs/",
        "/api/v1/events/",
        "/api/v1/tasks/",
        "/api/v1/users/",
        "/api/v1/jobs/counts/",
        "/api/v1/docs/",
        "/admin/",
    ):
        assert f'href="{link}"' in text
    assert "Sign out" in text
    loaded = re.findall(r'<(?:link|script|img)[^>]*(?:src|href)="([^"]+)"', text)
    assert loaded
    assert all(address.startswith(("/static/", "data:")) for address in loaded)


@pytest.mark.parametrize("address", ["/api/v1/docs/", "/auth/session/login/"])
def test_the_other_pages_load_nothing_from_elsewhere(client, address):
    text = client.get(address).content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


def test_who_has_not_signed_in_is_led_there_and_back(client, user):
    text = page(client, "/api/v1/jobs/?status=failed")
    assert 'href="/auth/session/login/?next=/api/v1/jobs/%3Fstatus%3Dfailed"' in text
    assert "401 Unauthorized" in text
    assert "<textarea" not in text
    sign_in = client.get("/auth/session/login/?next=/api/v1/jobs/%3Fstatus%3Dfailed").content.decode()
    assert 'value="/api/v1/jobs/?status=failed"' in sign_in


def test_who_signs_out_is_out(browser):
    browser.post("/auth/session/logout/")
    assert "Sign in" in page(browser, "/api/v1/jobs/")


def send(browser, method, address, **form):
    """Send a form as the pages do."""
    return browser.generic(
        method, address, urlencode(form), content_type="application/x-www-form-urlencoded", **HTML
    )


def test_a_form_makes_a_job(browser):
    assert 'name="priority"' in page(browser, "/api/v1/jobs/")
    answer = send(
        browser,
        "POST",
        "/api/v1/jobs/",
        name="<b>Index</b>",
        description="",
        priority="7",
        metadata='{"a": [1, "x"]}',
    )
    assert answer.status_code == 201, answer.content.decode()
    job = Job.objects.get()
    assert (job.name, job.priority, job.metadata) == ("<b>Index</b>", 7, {"a": [1, "x"]})
    text = answer.content.decode()
    assert "<b>Index</b>" not in text
    assert f'<a href="/api/v1/jobs/{job.pk}/">{job.pk}</a>' in text


@pytest.mark.parametrize(
    ("field", "value"), [("priority", "high"), ("metadata", "[1"), ("metadata", "[1]"), ("name", "")]
)
def test_a_form_that_cannot_be_says_why_beside_the_field(browser, field, value):
    form = {"name": "x", "description": "", "priority": "7", "metadata": "{}", field: value}
    answer = send(browser, "POST", "/api/v1/jobs/", **form)
    assert answer.status_code == 400
    block = answer.content.decode().partition("has-error")[2]
    assert f'name="{field}"' in block.partition("</div>")[0]
    assert not Job.objects.exists()


def test_a_form_of_json_begins_with_what_is_there(browser):
    job = Job.objects.create(name="Index", metadata={"a": 1})
    text = page(browser, f"/api/v1/jobs/{job.pk}/")
    assert "&quot;name&quot;: &quot;Index&quot;" in text.partition('<textarea name="content"')[2]


def test_an_empty_field_of_a_form_is_the_default(browser):
    send(browser, "POST", "/api/v1/jobs/", name="x", description="", priority="", metadata="{}")
    assert Job.objects.get().priority == 0


def test_a_form_changes_a_user_and_leaves_an_empty_password(client):
    make_user("root", Role.ADMIN)
    client.post("/auth/session/login/", {"username": "root", "password": PASSWORD})
    ada = make_user("ada")
    address = f"/api/v1/users/{ada.pk}/"
    assert 'type="password"' in page(client, address)
    form = {"username": "ada", "email": "ada@example.org", "role": "moderator", "password": ""}
    assert send(client, "PATCH", address, **form).status_code == 200
    changed = User.objects.get(pk=ada.pk)
    assert (changed.role, changed.active, changed.password) == ("moderator", True, ada.password)
    assert "pbkdf2" not in page(client, address)
    assert ada.password not in page(client, address)
    send(client, "PATCH", address, active="false")
    assert not User.objects.get(pk=ada.pk).active


def test_a_page_offers_only_what_the_role_may_do(client, rows):
    make_user("plain")
    client.post("/auth/session/login/", {"username": "plain", "password": PASSWORD})
    assert 'data-method="DELETE"' not in page(client, f"/api/v1/jobs/{rows['job']}/")
    assert 'data-method="PATCH"' in page(client, f"/api/v1/jobs/{rows['job']}/")
    assert "This requires the role moderator; your role is user." in page(client, "/api/v1/users/")


def test_pages_are_turned_by_links(browser):
    Job.objects.bulk_create(Job(name=str(number)) for number in range(3))
    text = page(browser, "/api/v1/jobs/?limit=2")
    (following,) = re.findall(r'rel="next" href="([^"]+)"', text)
    assert 'rel="prev"' in page(browser, following.replace("&amp;", "&"))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "javascript:alert(1)",
        'http://x/"onmouseover="alert(1)',
        "{{ 7 }}{% now 'Y' %}",
    ],
)
def test_what_clients_write_is_shown_never_run(browser, text):
    job = Job.objects.create(name=text, description=text, metadata={text: text, "id": text, "job_id": text})
    for address in ("/api/v1/jobs/", f"/api/v1/jobs/{job.pk}/"):
        shown = page(browser, address)
        assert "<script>alert" not in shown
        assert "<img" not in shown
        assert 'href="javascript' not in shown
        assert '"onmouseover=' not in shown


def test_the_page_of_a_status_has_its_form(browser, rows):
    answer = browser.get(f"/api/v1/jobs/{rows['job']}/status/", **HTML)
    assert answer.status_code == 405
    assert '<option value="running"' in answer.content.decode()
    assert (
        send(browser, "PUT", f"/api/v1/jobs/{rows['job']}/status/", status="running", reason="").status_code
        == 200
    )
    assert Job.objects.get().status == "running"


@pytest.mark.parametrize(("text", "result"), [("", None), ("null", None), ('{"a": 1}', {"a": 1})])
def test_the_form_of_a_status_takes_a_result(browser, rows, text, result):
    Job.objects.update(status="running", started_at=timezone.now())
    answer = send(
        browser, "PUT", f"/api/v1/jobs/{rows['job']}/status/", status="completed", reason="", result=text
    )
    assert answer.status_code == 200
    assert Job.objects.get().result == result
