"""The service's WSGI application with delayed writers, without *begin*, and with patient readers."""

import time
from collections.abc import Callable
from typing import Any

from orchestrator.cache import in_flight, outbox, timing
from orchestrator.cache.in_flight import Write

#: Seconds from a COMMIT to its *end*.
DELAY = 0.03


def delayed() -> Callable[..., Any]:
    """Return the service with writers that are delayed between COMMIT and *end*, as on a busy machine."""
    from kyros.wsgi import application  # noqa: PLC0415 - it loads what is changed here

    end = Write.end

    def end_later(write: Write) -> None:
        time.sleep(DELAY)
        end(write)

    Write.end = end_later  # type: ignore[method-assign]
    return application


def without_begin() -> Callable[..., Any]:
    """Return the delayed service with a broken protocol: tags get new generations only after the COMMIT."""
    application = delayed()

    def begin_unannounced(connection: Any, known: Any, **_: Any) -> Write | None:
        rows = outbox.own(connection)
        outbox.remove(connection, rows.ids)
        tags = rows.tags.union(known)
        return Write(tags, writer="nobody") if tags else None

    in_flight.begin = begin_unannounced
    return application


def patient() -> Callable[..., Any]:
    """Return the service with readers that wait long for another's fill, and with a long lease."""
    from kyros.wsgi import application  # noqa: PLC0415 - as above

    timing.FILL_WAIT = 30  # type: ignore[misc]
    timing.FILL_EXPIRY = timing.LEASE = 60  # type: ignore[misc]
    return application
