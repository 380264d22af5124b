"""How tests look at answers: as the cache gives them, and as the database would."""

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.test import override_settings
from rest_framework.test import APIClient

from tests.polling import POLL_SECONDS, wait_until

#: Seconds for which a machine may be too busy to let a lease live from one request to the next.
BUSY = 5


def outcome(client: APIClient, path: str) -> str:
    """Ask for an answer that the cache may serve, and return whether that was a hit."""
    return str(_told(client, path)["X-Cache"])


def asked_once(client: APIClient, path: str) -> str:
    """Ask for an answer and return where it came from."""
    return str(_answer(client, path)["X-Cache"])


def warm(client: APIClient, *paths: str) -> dict[str, bytes]:
    """Have the answers cached, and return them."""
    return {path: wait_until(partial(_hit, client, path), what=f"a hit of {path}") for path in paths}


def _hit(client: APIClient, path: str) -> bytes | None:
    answer = _told(client, path)
    return bytes(answer.content) if answer["X-Cache"] == "HIT" else None


def _told(client: APIClient, path: str) -> Any:
    """Return the answer, asked for again while the cache tells nothing.

    Where no relay runs, a lease may be over before the request that renewed it looks again.
    """
    deadline = time.monotonic() + BUSY
    while (answer := _answer(client, path))["X-Cache"] == "BYPASS" and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return answer


def _answer(client: APIClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer


def past_the_cache(client: APIClient, path: str) -> bytes:
    """Return an answer as the database gives it; b"" where there is none."""
    with override_settings(CACHE_URL=None):
        answer = client.get(path)
    assert answer.status_code == 404 or answer["X-Cache"] == "BYPASS"
    return bytes(answer.content) if answer.status_code == 200 else b""


def assert_right(client: APIClient, paths: Iterable[str]) -> None:
    """Assert that each answer is what the database says, and that it is cached again."""
    for path in paths:
        expected = past_the_cache(client, path)
        answer = client.get(path)
        if not expected:
            assert answer.status_code == 404, f"{path} is gone, and still answered: {answer.content!r}"
            continue
        assert answer.content == expected, f"{path} is stale ({answer['X-Cache']})"
        wait_until(lambda path=path: outcome(client, path) == "HIT", what=f"the next hit of {path}")
