"""The browsable API: the same URLs, for people."""

import re

import pytest
from django.db import OperationalError

from orchestrator.api.pagination import KeysetPagination
from orchestrator.models import Job, Task
from tests.users import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.one_engine]

HTML = {"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def browser(client, moderator):
    """A browser in which a moderator has logged in through the login page."""
    response = client.post(
        "/auth/session/login/", {"username": "moderator", "password": PASSWORD, "next": "/api/v1/jobs/"}
    )
    assert response["Location"] == "/api/v1/jobs/"
    return client


def page(client, url, **more):
    response = client.get(url, **HTML, **more)
    assert response["Content-Type"].startswith("text/html")
    return response.content.decode()


URLS = [
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
MENU = ("jobs/", "jobs/counts/", "events/", "tasks/", "users/", "docs/")


@pytest.fixture
def rows(db):
    return {
        "job": Job.objects.create(name="x").pk,
        "task": Task.objects.create(title="x").pk,
        "user": make_user("ada").pk,
    }


def loaded_by(text):
    """Return the URLs of what a page loads."""
    return re.findall(r'<(?:link|script|img)[^>]*(?:src|href)="([^"]+)"', text)


@pytest.mark.parametrize("url", URLS)
def test_every_url_has_a_page_with_the_menu_that_loads_nothing_from_other_hosts(browser, rows, url):
    response = browser.get(f"/api/v1/{url.format(**rows)}", **HTML)

    text = response.content.decode()
    assert "Kyros Praxis orchestrator</a>" in text
    assert [link for link in MENU if f'href="/api/v1/{link}"' not in text] == []
    assert 'href="/admin/"' in text
    assert "Log out" in text
    assert loaded_by(text)
    assert [url for url in loaded_by(text) if not url.startswith("/static/")] == []
    assert "script-src 'self';" in response["Content-Security-Policy"]
    assert not re.findall(r"<script>|\son\w+=", text), "the policy blocks inline scripts"


@pytest.mark.parametrize("url", ["/api/v1/docs/", "/auth/session/login/"])
def test_the_other_pages_load_nothing_from_other_hosts(client, url):
    text = client.get(url).content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


@pytest.mark.parametrize("method", ["get", "head", "options", "post", "put", "patch", "delete", "trace"])
@pytest.mark.parametrize(
    "url",
    [
        *("/", "/admin", "/admin/", "/admin/login/", "/api/v1/", "/api/v1/docs/", "/api/v1/schema/"),
        *("/auth/login/", "/auth/session/login/", "/auth/session/logout/", "/monitoring/cache/health"),
        *("/healthz", "/readyz", "/metrics", "/api/v1/nothing/", "/nothing", "/admin/nothing/"),
    ],
)
def test_every_method_of_every_page_has_a_response_with_a_policy(client, method, url):
    for headers in (HTML, {"HTTP_ACCEPT": "*/*"}, {**HTML, "HTTP_HOST": "other.example"}):
        response = getattr(client, method)(url, **headers)
        assert response.status_code < 500 or url == "/readyz", headers
        if response["Content-Type"].startswith("text/html"):
            assert "script-src 'self';" in response["Content-Security-Policy"]


def test_the_documentation_has_no_inline_script(client):
    page = client.get("/api/v1/docs/").content.decode()
    assert not re.findall(r"<script>", page)
    (script,) = re.findall(r'<script src="(/api/v1/docs/[^"]+)"', page)
    assert "SwaggerUIBundle(" in client.get(script).content.decode()


def test_the_documentation_has_no_options(client):
    assert client.options("/api/v1/docs/").status_code == 405


def test_an_anonymous_visitor_finds_the_login_page_and_returns(client, user):
    text = page(client, "/api/v1/jobs/?status=failed")
    assert "/auth/session/login/?next=/api/v1/jobs/%3Fstatus%3Dfailed" in text
    assert "401 Unauthorized" in text
    login = client.get("/auth/session/login/?next=/api/v1/jobs/%3Fstatus%3Dfailed").content.decode()
    assert 'value="/api/v1/jobs/?status=failed"' in login
    assert "Kyros Praxis orchestrator" in login


def test_logout_ends_the_session(browser):
    browser.post("/auth/session/logout/")
    assert "Log in" in page(browser, "/api/v1/jobs/")


def test_the_form_starts_with_the_json_of_the_row(browser):
    job = Job.objects.create(name="Index", metadata={"a": 1})
    text = page(browser, f"/api/v1/jobs/{job.pk}/")
    form = text.partition("<textarea")[2].partition("</textarea>")[0]
    assert "&quot;name&quot;: &quot;Index&quot;" in form
    assert 'data-method="PATCH"' in text


def test_a_form_of_json_creates_a_job(browser):
    assert 'name="_content"' in page(browser, "/api/v1/jobs/")

    response = browser.post(
        "/api/v1/jobs/", {"name": "<b>Index</b>", "priority": 7}, content_type="application/json", **HTML
    )

    assert response.status_code == 201, response.content.decode()
    job = Job.objects.get()
    assert (job.name, job.priority) == ("<b>Index</b>", 7)
    text = response.content.decode()
    assert "<b>Index</b>" not in text
    assert str(job.pk) in text


def test_a_form_shows_why_a_value_is_invalid(browser):
    response = browser.post("/api/v1/jobs/", {"name": ""}, content_type="application/json", **HTML)
    assert response.status_code == 400
    assert "This field may not be blank." in response.content.decode()


def test_a_page_offers_only_what_the_role_may_do(client, rows):
    make_user("plain")
    client.post("/auth/session/login/", {"username": "plain", "password": PASSWORD})
    assert 'data-method="DELETE"' not in page(client, f"/api/v1/jobs/{rows['job']}/")
    assert 'data-method="PATCH"' in page(client, f"/api/v1/jobs/{rows['job']}/")
    assert "This requires the role moderator; your role is user." in page(client, "/api/v1/users/")


def test_pages_are_linked(browser):
    Job.objects.bulk_create(Job(name=str(number)) for number in range(3))
    text = page(browser, "/api/v1/jobs/?limit=2")
    (following,) = set(re.findall(r'href="([^"]+cursor=[^"]+)"', text))
    assert page(browser, following.replace("&amp;", "&")).count("&quot;id&quot;: ") == 1


@pytest.mark.parametrize("query", ["limit=x", "cursor=x", "ordering=x", "status=banana"])
def test_the_page_of_an_invalid_query_shows_the_error(browser, query):
    response = browser.get(f"/api/v1/jobs/?{query}", **HTML)
    assert response.status_code == 400
    assert "400 Bad Request" in response.content.decode()


def test_the_page_of_a_failed_query_shows_the_error(browser, monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError("gone")

    Job.objects.create(name="x")
    monkeypatch.setattr(KeysetPagination, "page", fail)
    response = browser.get("/api/v1/jobs/", **HTML)
    assert response.status_code == 503
    assert "503 Service Unavailable" in response.content.decode()


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "javascript:alert(1)",
        'http://x/"onmouseover="alert(1)',
        'http://x/<img src=x>"><img src=x>',
        "{{ 7 }}{% now 'Y' %}",
    ],
)
def test_what_clients_write_is_shown_and_never_run(browser, text):
    job = Job.objects.create(name=text, description=text, metadata={text: text, "id": text, "job_id": text})
    for url in ("/api/v1/jobs/", f"/api/v1/jobs/{job.pk}/"):
        shown = page(browser, url)
        assert "<script>alert" not in shown
        assert "<img" not in shown
        assert 'href="javascript' not in shown
        assert not re.search(r'<a[^>]*"onmouseover=', shown)


def test_the_page_of_a_status_has_its_form(browser, rows):
    response = browser.get(f"/api/v1/jobs/{rows['job']}/status/", **HTML)
    assert response.status_code == 405
    assert 'data-method="PUT"' in response.content.decode()
