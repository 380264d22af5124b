"""Users: managed by admins, and never without one."""

import pytest
from django.contrib.auth.hashers import check_password

from orchestrator import actions
from orchestrator.choices import Role
from orchestrator.exceptions import DuplicateValue
from orchestrator.models import User
from tests.users import PASSWORD, make_user, sign_in

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users/"
FIELDS = ["id", "username", "email", "role", "active", "created_at"]
ADA = {"username": "ada", "email": "ada@example.org", "password": "analytical engine no 1"}


def test_a_new_user_can_log_in_and_no_response_has_the_password(as_admin):
    made = as_admin.post(USERS, {**ADA, "role": "moderator"})
    assert made.status_code == 201
    assert list(made.json()) == FIELDS
    assert (made.json()["role"], made.json()["active"]) == ("moderator", True)
    ada = sign_in(User.objects.get(username="ada"), ADA["password"])
    answers = [
        made,
        as_admin.get(made["Location"]),
        as_admin.get(USERS),
        as_admin.patch(made["Location"], {"password": "difference engine 2"}),
        as_admin.post(USERS, ADA),
        as_admin.post(USERS, {**ADA, "username": "x", "email": "x@example.org", "password": "engine"}),
        sign_in(User.objects.get(username="ada"), "difference engine 2").get(f"{USERS}me/"),
    ]
    stored = User.objects.get(username="ada").password
    for answer in answers:
        text = answer.content.decode()
        assert "engine" not in text
        assert stored not in text
        assert "$" not in text
    assert ada.get(f"{USERS}me/").status_code == 401


@pytest.mark.one_engine
@pytest.mark.parametrize("name", ["Ada.L+x@y_-9", "a" * 150, "7"])
def test_a_username_has_letters_digits_and_a_few_signs(as_admin, name):
    body = {"username": name, "email": "new@example.org", "password": PASSWORD}
    assert as_admin.post(USERS, body).json()["username"] == name


OTHER_NAMES = ["ä", "\uff41da", "a b", "a/b", "a" * 151, "", "\u0430da", "a\tb", "ada\u200b"]


@pytest.mark.one_engine
@pytest.mark.parametrize("name", OTHER_NAMES)
def test_another_username_is_400(as_admin, user, name):
    body = {"username": name, "email": "new@example.org", "password": PASSWORD}
    for response in (as_admin.post(USERS, body), as_admin.patch(f"{USERS}{user.pk}/", {"username": name})):
        assert response.status_code == 400
        assert list(response.json()) == ["username"]


def test_me_is_the_user_of_the_request(as_user, as_moderator):
    assert as_user.get(f"{USERS}me/").json()["username"] == "user"
    assert list(as_moderator.get(f"{USERS}me/").json()) == FIELDS


def test_a_password_is_hashed_exactly_as_typed(as_admin):
    as_admin.post(USERS, {**ADA, "password": "  spaces at both ends  "})
    assert check_password("  spaces at both ends  ", User.objects.get(username="ada").password)


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short7!", "at least 8"),
        ("password123", "too common"),
        ("31415926535", "entirely numeric"),
        ("ada@example", "similar"),
    ],
)
def test_a_weak_password_is_400_with_the_reason(as_admin, password, why):
    answer = as_admin.post(USERS, {**ADA, "password": password})
    assert answer.status_code == 400
    assert why in answer.json()["password"][0]
    assert not User.objects.filter(username="ada").exists()


def test_a_password_that_resembles_the_user_is_400(as_admin, user):
    User.objects.filter(pk=user.pk).update(username="analytical.engine")
    answer = as_admin.patch(f"{USERS}{user.pk}/", {"password": "analytical.engine"})
    assert answer.status_code == 400
    assert "similar to the username" in answer.json()["password"][0]


@pytest.mark.parametrize(
    ("field", "value"), [("username", "user"), ("email", "user@example.com"), ("email", "user@EXAMPLE.com")]
)
def test_a_username_or_email_in_use_is_400(as_admin, user, field, value):
    make_user("other")
    for answer in (
        as_admin.post(USERS, {**ADA, field: value}),
        as_admin.patch(f"{USERS}{User.objects.get(username='other').pk}/", {field: value}),
    ):
        assert answer.status_code == 400
        assert list(answer.json()) == [field]
        assert "is already in use" in answer.json()[field][0]
    assert as_admin.patch(f"{USERS}{user.pk}/", {field: value}).status_code == 200


def test_losing_a_race_for_a_username_is_400(user):
    """The serializer looks at nothing beforehand: the database alone decides."""
    with pytest.raises(DuplicateValue):
        actions.create_user(username="user", email="new@example.org", password=PASSWORD)
    assert User.objects.count() == 1


# --- The last admin -----------------------------------------------------------------------------------------

LEAVING = {"demoted": {"role": "moderator"}, "inactive": {"active": False}, "deleted": None}


def leave(client, admin, change):
    address = f"{USERS}{admin.pk}/"
    return client.delete(address) if change is None else client.patch(address, change)


@pytest.mark.parametrize("change", LEAVING.values(), ids=LEAVING)
def test_the_last_admin_who_can_sign_in_cannot_be_removed(as_admin, admin_user, change):
    make_user("gone", Role.ADMIN, active=False)
    make_user("no.password", Role.ADMIN, password=None)
    for name, imported in [("demo", f"!{admin_user.pk.hex}"), ("empty", ""), ("other", "bcrypt$x")]:
        User.objects.filter(pk=make_user(name, Role.ADMIN).pk).update(password=imported)
    answer = leave(as_admin, admin_user, change)
    assert answer.status_code == 409
    assert "last admin who can sign in" in answer.json()["detail"]
    assert as_admin.get(f"{USERS}me/").json()["role"] == "admin"


@pytest.mark.parametrize("change", LEAVING.values(), ids=LEAVING)
def test_an_admin_can_be_removed_while_another_is_active(as_admin, admin_user, change):
    other = make_user("other", Role.ADMIN)
    assert leave(as_admin, admin_user, change).status_code in (200, 204)
    assert leave(sign_in(other), other, change).status_code == 409


def test_other_fields_of_the_last_admin_can_be_changed(as_admin, admin_user):
    answer = as_admin.patch(
        f"{USERS}{admin_user.pk}/", {"email": "root@example.org", "role": "admin", "active": True}
    )
    assert answer.json()["email"] == "root@example.org"


def test_a_patch_changes_only_the_given_fields_of_a_user(as_admin, user):
    changed = as_admin.patch(f"{USERS}{user.pk}/", {"username": "fine", "email": "Fine@EXAMPLE.ORG"}).json()
    assert (changed["username"], changed["email"], changed["role"]) == ("fine", "Fine@example.org", "user")
    assert sign_in(User.objects.get(pk=user.pk)).get(f"{USERS}me/").json() == changed
