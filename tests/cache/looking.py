"""How tests look at answers: as the cache gives them, and as the database would."""

from collections.abc import Iterable

from django.test import override_settings
from rest_framework.test import APIClient


def outcome(client: APIClient, path: str) -> str:
    """Ask for an answer and return where it came from."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return str(answer["X-Cache"])


def warm(client: APIClient, *paths: str) -> None:
    """Have the answers cached."""
    for path in paths:
        client.get(path)
        assert outcome(client, path) == "HIT", path


def past_the_cache(client: APIClient, path: str) -> bytes:
    """Return an answer as the database gives it; b"" where there is none."""
    with override_settings(CACHE_URL=None):
        answer = client.get(path)
    assert answer.status_code == 404 or answer["X-Cache"] == "BYPASS"
    return bytes(answer.content) if answer.status_code == 200 else b""


def assert_right(client: APIClient, paths: Iterable[str]) -> None:
    """Assert that each answer is what the database says, and that it is cached again at once."""
    for path in paths:
        expected = past_the_cache(client, path)
        answer = client.get(path)
        if not expected:
            assert answer.status_code == 404, f"{path} is gone, and still answered: {answer.content!r}"
            continue
        assert answer.content == expected, f"{path} is stale ({answer['X-Cache']})"
        assert outcome(client, path) == "HIT", f"{path} is not cached again"
