"""The service with writers that are held up between COMMIT and *end*, as a busy machine might do it.

Whole, or with its protocol broken on purpose: writers invalidate nothing before their COMMIT. What is left then
is what many take for enough, a new generation after it.
"""

import time
from collections.abc import Callable
from typing import Any

from orchestrator.cache import in_flight, outbox, timing
from orchestrator.cache.in_flight import Write

#: Seconds from a COMMIT to its *end*.
HELD_UP = 0.03


def whole() -> Callable[..., Any]:
    """Return the service, whose protocol has to hold."""
    from kyros.wsgi import application  # noqa: PLC0415 - it sets up what the patches need

    end = Write.end

    def end_later(write: Write) -> bool:
        time.sleep(HELD_UP)
        return end(write)

    Write.end = end_later  # type: ignore[method-assign]
    return application


def broken() -> Callable[..., Any]:
    """Return the service without *begin*."""
    application = whole()

    def begin_without_telling(connection: Any, known: Any, **_: Any) -> Write | None:
        rows = outbox.own(connection)
        outbox.remove(connection, rows.ids)
        tags = rows.tags.union(known)
        return Write(tags, announced=True) if tags else None

    in_flight.begin = begin_without_telling
    return application


def patient() -> Callable[..., Any]:
    """Return the service whose readers wait for another's fill as long as it takes; a long lease."""
    from kyros.wsgi import application  # noqa: PLC0415 - as above

    timing.FILL_WAIT = 30  # type: ignore[misc]
    timing.FILL_EXPIRY = timing.LEASE = 60  # type: ignore[misc]
    return application
