"""The service's WSGI application, which reads from a replica whatever the replica has replayed."""

from collections.abc import Callable
from typing import Any

from orchestrator.db.replicas import reading


def without_positions() -> Callable[..., Any]:
    """Return the service with broken reads from replicas."""
    from kyros.wsgi import application  # noqa: PLC0415 - it loads what is changed here

    reading._has_replayed = lambda *_: True  # type: ignore[assignment]  # noqa: SLF001
    return application
