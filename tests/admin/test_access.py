"""Permissions: which roles see and change which pages."""

import pytest
from django.test import Client
from django.urls import reverse

from orchestrator.choices import Role
from orchestrator.models import User
from tests.users import PASSWORD, make_user

pytestmark = pytest.mark.one_engine

MODELS = ("job", "event", "task", "user")
ADDABLE = {"admin": {"job", "task", "user"}, "moderator": {"job", "task"}}
CHANGEABLE = DELETABLE = ADDABLE


@pytest.fixture
def rows(job, event, task):
    return {"job": job, "event": event, "task": task, "user": make_user("someone")}


@pytest.fixture(params=["admin", "moderator"])
def who(request):
    client = request.getfixturevalue({"admin": "admin_console", "moderator": "console"}[request.param])
    return request.param, client


def page(model, kind, *args):
    return reverse(f"admin:orchestrator_{model}_{kind}", args=args)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.slow
def test_lists_and_pages_open(who, rows, model):
    _, client = who
    for url in (
        page(model, "changelist"),
        page(model, "change", rows[model].pk),
        page(model, "history", rows[model].pk),
    ):
        assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("model", MODELS)
def test_forms_need_permission(who, rows, model):
    role, client = who
    assert client.get(page(model, "add")).status_code == (200 if model in ADDABLE[role] else 403)
    assert client.get(page(model, "delete", rows[model].pk)).status_code == (
        200 if model in DELETABLE[role] else 403
    )
    saves = b'name="_save"' in client.get(page(model, "change", rows[model].pk)).content
    assert saves == (model in CHANGEABLE[role])


@pytest.mark.parametrize("model", ["event", "user"])
def test_saving_needs_permission(console, rows, model):
    before = type(rows[model]).objects.values().get(pk=rows[model].pk)
    response = console.post(
        page(model, "change", rows[model].pk), {"username": "x", "role": "admin", "type": "x"}
    )
    assert response.status_code == 403
    assert type(rows[model]).objects.values().get(pk=rows[model].pk) == before


def test_the_first_page_is_the_dashboard(who):
    _, client = who
    content = client.get("/admin/").content.decode()
    assert "Kyros Praxis" in content
    assert "Operators&#x27; console" in content
    assert "/static/orchestrator/console.css" in content
    assert "Groups" not in content


@pytest.mark.parametrize("url", ["/admin/", *(f"/admin/orchestrator/{model}/" for model in MODELS)])
def test_users_and_strangers_are_redirected_to_sign_in(user, url):
    stranger, plain = Client(), Client()
    assert not plain.post(
        "/admin/login/", {"username": user.username, "password": PASSWORD}
    ).wsgi_request.user.is_staff
    plain.force_login(user)
    for client in (stranger, plain):
        response = client.get(url)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


def test_moderators_sign_in_through_the_form(moderator):
    browser = Client()
    response = browser.post(
        "/admin/login/", {"username": "moderator", "password": PASSWORD, "next": "/admin/"}
    )
    assert (response.status_code, response["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200


@pytest.mark.django_db
def test_inactive_users_cannot_sign_in():
    make_user("gone", Role.ADMIN, active=False)
    response = Client().post("/admin/login/", {"username": "gone", "password": PASSWORD})
    assert response.status_code == 200
    assert b"Please enter the correct" in response.content


def test_deactivation_applies_to_the_next_request(console, moderator):
    assert console.get("/admin/").status_code == 200
    User.objects.filter(pk=moderator.pk).update(active=False)
    assert console.get("/admin/").status_code == 302


def test_a_lower_role_applies_to_the_next_request(admin_console, admin_user):
    User.objects.filter(pk=admin_user.pk).update(role=Role.MODERATOR)
    assert admin_console.get("/admin/orchestrator/user/add/").status_code == 403
    User.objects.filter(pk=admin_user.pk).update(role=Role.USER)
    assert admin_console.get("/admin/").status_code == 302


@pytest.mark.parametrize("model", MODELS)
def test_unknown_ids_redirect_with_a_message(admin_console, model):
    for nothing in ("0199aaaa-0000-7000-8000-000000000000", "nonsense"):
        response = admin_console.get(page(model, "change", nothing), follow=True)
        assert response.redirect_chain
        assert b"doesn" in response.content  # "doesn't exist. Perhaps it was deleted?"


def test_staff_change_their_own_password(console, moderator):
    new = "a quite different horse"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert console.post("/admin/password_change/", form).status_code == 302
    moderator.refresh_from_db()
    assert moderator.check_password(new)
