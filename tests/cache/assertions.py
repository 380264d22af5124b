"""Assertions about cached responses, and the responses that the database gives."""

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.test import override_settings
from rest_framework.test import APIClient

from tests.polling import POLL_SECONDS, wait_until

#: Seconds for which a busy machine may let each lease expire before the next request.
MAX_BYPASS_SECONDS = 5


def cache_status(client: APIClient, path: str) -> str:
    """Return the ``X-Cache`` of a response, requested again while it is ``BYPASS``."""
    return str(_get_while_bypassed(client, path)["X-Cache"])


def cache_status_once(client: APIClient, path: str) -> str:
    """Return the ``X-Cache`` of a response, requested once."""
    return str(_get(client, path)["X-Cache"])


def warm(client: APIClient, *paths: str) -> dict[str, bytes]:
    """Request each path until it is a hit; return the bodies by path."""
    return {path: wait_until(partial(_hit, client, path), what=f"a hit of {path}") for path in paths}


def _hit(client: APIClient, path: str) -> bytes | None:
    response = _get_while_bypassed(client, path)
    return bytes(response.content) if response["X-Cache"] == "HIT" else None


def _get_while_bypassed(client: APIClient, path: str) -> Any:
    """Return the response, requested again while it bypasses the cache.

    On a busy machine another thread may renew the lease, or the epoch may be in doubt for a moment.
    """
    deadline = time.monotonic() + MAX_BYPASS_SECONDS
    while (response := _get(client, path))["X-Cache"] == "BYPASS" and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return response


def _get(client: APIClient, path: str) -> Any:
    response = client.get(path)
    assert response.status_code == 200, response.content
    return response


def uncached_body(client: APIClient, path: str) -> bytes:
    """Return the body that the database gives; b"" for a 404."""
    with override_settings(CACHE_URL=None):
        response = client.get(path)
    assert response.status_code == 404 or response["X-Cache"] == "BYPASS"
    return bytes(response.content) if response.status_code == 200 else b""


def assert_current(client: APIClient, paths: Iterable[str]) -> None:
    """Assert that each response is what the database gives, and that it is cached again."""
    for path in paths:
        expected = uncached_body(client, path)
        response = client.get(path)
        if not expected:
            assert response.status_code == 404, f"{path} does not exist, but returned {response.content!r}"
            continue
        assert response.content == expected, f"{path} is stale ({response['X-Cache']})"
        wait_until(lambda path=path: cache_status(client, path) == "HIT", what=f"the next hit of {path}")
