"""Users for tests, and clients that are signed in as them."""

from typing import Any

from rest_framework.test import APIClient

from orchestrator.auth.tokens import issue_tokens
from orchestrator.choices import Role
from orchestrator.models import User

PASSWORD = "correct horse battery staple"


def make_user(username: str, role: Role = Role.USER, **fields: Any) -> User:
    """Create a user. Its password is ``PASSWORD`` unless ``fields`` has another."""
    defaults = {"email": f"{username}@example.com", "password": PASSWORD, "role": role}
    return User.objects.create_user(username, **{**defaults, **fields})


def sign_in(user: User, password: str = PASSWORD) -> APIClient:
    """Sign in over the API, as a client does, and return a client that sends the bearer token."""
    client = APIClient()
    response = client.post("/auth/login/", {"username": user.username, "password": password})
    assert response.status_code == 200, response.content
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['access_token']}")
    return client


def client_for(user: User) -> APIClient:
    """Return a client that sends a valid token of ``user``, without the sign-in request."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(user)['access_token']}")
    return client
