"""Users of the tests, and how they sign in."""

from typing import Any

from rest_framework.test import APIClient

from orchestrator.choices import Role
from orchestrator.models import User
from orchestrator.tokens import issue

PASSWORD = "correct horse battery staple"


def make_user(username: str, role: Role = Role.USER, **fields: Any) -> User:
    """Make a user whose password is ``PASSWORD`` unless ``fields`` say otherwise."""
    defaults = {"email": f"{username}@example.com", "password": PASSWORD, "role": role}
    return User.objects.create_user(username, **{**defaults, **fields})


def sign_in(user: User, password: str = PASSWORD) -> APIClient:
    """Sign a user in as a client would and return a client that carries the bearer token."""
    client = APIClient()
    answer = client.post("/auth/login/", {"username": user.username, "password": password})
    assert answer.status_code == 200, answer.content
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access_token']}")
    return client


def client_for(user: User) -> APIClient:
    """Return a client that carries a token as signing in gives it, without asking for it."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue(user).access_token}")
    return client
