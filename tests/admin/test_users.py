"""Users in the admin: only admins manage them, and one admin always stays."""

import pytest
from django.contrib.admin.models import LogEntry

from orchestrator.choices import Role
from orchestrator.models import User
from tests.users import PASSWORD, make_user, sign_in

pytestmark = pytest.mark.one_engine

USERS = "/admin/orchestrator/user/"
NEW = {"username": "grace", "email": "Grace@EXAMPLE.com", "role": "moderator", "usable_password": "true"}
GOOD = {"password1": "seven silent sailors", "password2": "seven silent sailors"}


def page(user, *rest):
    return f"{USERS}{user.pk}/{''.join(rest)}"


def form(user, **fields):
    active = {"active": "on"} if user.active else {}
    return {"username": user.username, "email": user.email, "role": user.role, **active, **fields}


def texts(response):
    return [str(message) for message in response.context["messages"]]


def test_a_new_user_can_sign_in(admin_console):
    assert admin_console.post(f"{USERS}add/", {**NEW, **GOOD}).status_code == 302
    user = User.objects.get(username="grace")
    assert (user.email, user.role, user.active) == ("Grace@example.com", "moderator", True)
    assert sign_in(user, GOOD["password1"]).get("/api/v1/users/me/").status_code == 200


def test_a_new_user_without_a_password_cannot(admin_console):
    assert admin_console.post(f"{USERS}add/", {**NEW, "usable_password": "false"}).status_code == 302
    assert not User.objects.get(username="grace").has_usable_password()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"username": ""}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"username": "admin"}, "username"),
        ({"email": "admin@example.com"}, "email"),
        ({"email": "nobody"}, "email"),
        ({"role": "king"}, "role"),
        ({"password1": "12345678", "password2": "12345678"}, "password2"),
        ({"password2": "seven silent soldiers"}, "password2"),
    ],
)
def test_invalid_new_users_are_rejected(admin_console, fields, wrong):
    response = admin_console.post(f"{USERS}add/", {**NEW, **GOOD, **fields})
    assert response.status_code == 200
    assert response.context["adminform"].form.errors.keys() == {wrong}
    assert User.objects.count() == 1


def test_role_and_activation_are_changed(admin_console, moderator):
    client = sign_in(moderator)
    assert client.get("/api/v1/users/").status_code == 200
    admin_console.post(page(moderator, "change/"), form(moderator, role="user"))
    assert client.get("/api/v1/users/").status_code == 403
    moderator.refresh_from_db()
    fields = form(moderator)
    del fields["active"]
    admin_console.post(page(moderator, "change/"), fields)
    assert client.get("/api/v1/users/me/").status_code == 401


def test_a_new_password_ends_tokens(admin_console, moderator):
    client = sign_in(moderator)
    response = admin_console.post(
        page(moderator, "password/"), {**GOOD, "usable_password": "true", "set-password": "1"}
    )
    assert response.status_code == 302
    assert client.get("/api/v1/users/me/").status_code == 401
    assert sign_in(moderator, GOOD["password1"])


def test_the_last_admin_cannot_be_removed(admin_console, admin_user):
    demoted, inactive = form(admin_user, role="user"), form(admin_user)
    del inactive["active"]
    for url, fields in (
        (page(admin_user, "change/"), demoted),
        (page(admin_user, "change/"), inactive),
        (page(admin_user, "delete/"), {"post": "yes"}),
        (page(admin_user, "password/"), {"usable_password": "false", "unset-password": "1"}),
    ):
        response = admin_console.post(url, fields, follow=True)
        assert any("last admin who can sign in" in text for text in texts(response)), url
    admin_user.refresh_from_db()
    assert (admin_user.role, admin_user.active) == ("admin", True)
    assert admin_user.check_password(PASSWORD)
    assert not LogEntry.objects.exists()


def test_the_password_of_another_admin_can_be_removed(admin_console):
    other = make_user("other", Role.ADMIN)
    admin_console.post(page(other, "password/"), {"usable_password": "false", "unset-password": "1"})
    other.refresh_from_db()
    assert not other.has_usable_password()


def test_another_admin_can_be_deleted(admin_console):
    other = make_user("other", Role.ADMIN)
    assert admin_console.post(page(other, "delete/"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=other.pk).exists()


def test_no_page_shows_a_password_hash(admin_console, admin_user, user):
    hash_ = user.password.split("$")[-1]
    for url in (USERS, page(user, "change/"), page(user, "password/"), page(user, "history/")):
        assert hash_ not in admin_console.get(url).content.decode()


def test_moderators_can_only_read_users(console, user):
    content = console.get(page(user, "change/")).content.decode()
    assert "user@example.com" in content
    assert "password/" not in content.split('id="content"')[1]
    assert console.get(page(user, "password/")).status_code == 403
    assert console.post(page(user, "password/"), GOOD).status_code == 403
    assert console.post(USERS, {"action": "deactivate", "_selected_action": [str(user.pk)]}).status_code in (
        200,
        302,
    )
    user.refresh_from_db()
    assert user.active
    assert user.check_password(PASSWORD)


def test_users_are_found(admin_console, user, moderator):
    def names(**query):
        return [row.username for row in admin_console.get(USERS, query).context["cl"].result_list]

    assert names() == ["admin", "moderator", "user"]
    assert names(q="mod") == ["moderator"]
    assert names(role="admin") == ["admin"]
    assert names(active="false") == []
    assert admin_console.get(USERS, {"password__startswith": "a"})["Location"] == USERS
