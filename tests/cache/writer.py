"""A process that writes to a job and is killed at a given step.

``python -m tests.cache.writer JOB PRIORITY [STEP]``, with a step of ``STEPS``. Without a step it prints
``acknowledged`` when the write is.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
django.setup()

from django.db import DEFAULT_DB_ALIAS, connection, connections  # noqa: E402
from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: E402

from orchestrator.cache import in_flight, outbox  # noqa: E402
from orchestrator.models import Job  # noqa: E402


def die(*_: Any, **__: Any) -> None:
    """End the process as a crash would."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def then_die(function: Callable[..., Any]) -> Callable[..., None]:
    """Return the function, followed by ``die``."""

    def call_and_die(*arguments: Any, **keywords: Any) -> None:
        function(*arguments, **keywords)
        die()

    return call_and_die


def prepare(step: str) -> None:
    """Make the process die at a step."""
    match step:
        case "before begin":
            in_flight.begin = die
        case "in begin, after taking its outbox rows":
            outbox.take = then_die(outbox.take)
            if connection.vendor == "postgresql":
                connection.cursor().execute("SET kyros.notices = off")  # else nothing is taken
        case "before COMMIT":
            in_flight.begin = then_die(in_flight.begin)
        case "after COMMIT":
            BaseDatabaseWrapper._commit = then_die(BaseDatabaseWrapper._commit)  # noqa: SLF001
            wrapper = connections[DEFAULT_DB_ALIAS]  # PostgreSQL's has another COMMIT for announced writes
            wrapper.commit_and_look = then_die(wrapper.commit_and_look)
        case "before end":
            in_flight.Write.end = die
        case "after end":
            in_flight.Write.end = then_die(in_flight.Write.end)
        case "before waiting":
            in_flight.Write.wait_until_seen = die
        case "":
            return
        case _:
            raise SystemExit(f"there is no step {step!r}")


#: The steps, with whether the write is committed by then.
STEPS = {
    "before begin": False,
    "in begin, after taking its outbox rows": False,
    "before COMMIT": False,
    "after COMMIT": True,
    "before end": True,
    "after end": True,
}


def main(job_id: str, priority: str, step: str = "") -> None:
    """Write the priority and die at the step."""
    job = Job.objects.get(pk=job_id)
    prepare(step)
    job.priority = int(priority)
    job.save()
    sys.stdout.write("acknowledged\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
