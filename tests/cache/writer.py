"""A writer in a process of its own that is killed where it is told.

`python -m tests.cache.writer JOB PRIORITY [STEP]`: the steps are those of `KILLED_AT`. Without one it says
`acknowledged` when the write is.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: E402

from orchestrator.cache import (  # noqa: E402
    in_flight,
    outbox,
    timing,
)
from orchestrator.models import Job  # noqa: E402

#: Seconds after which a writer that is not heard of any more counts as dead.
EXPIRY = 1


def die(*_: Any, **__: Any) -> None:
    """End as by a crash."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def then_die(function: Callable[..., Any]) -> Callable[..., None]:
    """Return the function, followed by the end."""

    def last(*arguments: Any, **keywords: Any) -> None:
        function(*arguments, **keywords)
        die()

    return last


def prepare(step: str) -> None:
    """Lay the trap."""
    match step:
        case "before begin":
            in_flight.begin = die
        case "in begin, once its rows are taken from the outbox":
            outbox.take = then_die(outbox.take)
            if connection.vendor == "postgresql":
                connection.cursor().execute("SET kyros.listens = off")  # who listens takes nothing
        case "before COMMIT":
            in_flight.begin = then_die(in_flight.begin)
        case "after COMMIT":
            BaseDatabaseWrapper._commit = then_die(BaseDatabaseWrapper._commit)  # noqa: SLF001
        case "before end":
            in_flight.Write.end = die
        case "after end":
            in_flight.Write.end = then_die(in_flight.Write.end)
        case "before waiting":
            in_flight.Write.wait_for_lease_expiry = die
        case "":
            return
        case _:
            raise SystemExit(f"there is no step {step!r}")


KILLED_AT = {
    # step: whether the write is committed then
    "before begin": False,
    "in begin, once its rows are taken from the outbox": False,
    "before COMMIT": False,
    "after COMMIT": True,
    "before end": True,
    "after end": True,
}


def main(job_id: str, priority: str, step: str = "") -> None:
    """Write."""
    timing.WRITER_EXPIRY = EXPIRY  # type: ignore[misc]
    job = Job.objects.get(pk=job_id)
    prepare(step)
    job.priority = int(priority)
    job.save()
    sys.stdout.write("acknowledged\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
