"""Runs of background tasks: one at a time, bounded in time, logged and counted.

A run holds a lease in the database, which needs no cache server and ends by the database's clock. The lease
saves work; nothing depends on it: every task may safely run twice at once.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from monitoring.models import BackgroundTask

#: A task is overdue after so many intervals without a success, and no sooner than after this time.
_OVERDUE_INTERVALS: Final = 3
_MIN_OVERDUE: Final = timedelta(minutes=10)

#: After so many intervals without a start nobody runs a task. Cron is no worker: its lines run once a minute.
_ACTIVE_INTERVALS: Final = 4

#: A run that took longer is logged although it did nothing.
_LONG_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Returns whether the time of a run is not over yet. Work calls it before each batch.
MayGoOn = Callable[[], bool]


def forever() -> bool:
    """Return that the time is not over: for work that is called outside a run."""
    return True


def run(name: str, work: Callable[[MayGoOn], T]) -> T | None:
    """Run a task, unless another run of it is under way.

    Args:
        name: the task's name in ``settings.BACKGROUND_TASKS``.
        work: does it, in batches, and returns what it did: a number, or a dataclass with numbers.

    Returns:
        The result; None if another run is under way.
    """
    task = _scheduled(name)
    holder = secrets.token_hex(8)
    if not _take_lease(name, holder, task.hard_limit):
        logger.info("%s: another run is under way", name)
        return None
    started = time.monotonic()
    try:
        result = work(lambda: time.monotonic() - started < task.max_seconds)
    except BaseException as error:  # also Ctrl-C: the lease must not keep the next run waiting
        # Only the error's class: its message may contain a host name or a value.
        _end(name, holder, time.monotonic() - started, error=type(error).__name__)
        raise
    seconds, done = time.monotonic() - started, _numbers(result)
    _end(name, holder, seconds, done=done)
    level = logging.INFO if any(done.values()) or seconds > _LONG_SECONDS else logging.DEBUG
    logger.log(level, "%s: %s in %.3f s", name, done, seconds)
    return result


def is_active(name: str) -> bool:
    """Return whether a worker runs a task: a run is under way, or the last ones began at their intervals."""
    task = _scheduled(name)
    recently = Now() - timedelta(seconds=_ACTIVE_INTERVALS * task.every)
    rows = BackgroundTask.objects.filter(Q(started_at__gt=recently) | Q(leased_until__gt=Now()), name=name)
    return rows.exists()


def _scheduled(name: str) -> Any:
    return next(task for task in settings.BACKGROUND_TASKS if task.name == name)


def _take_lease(name: str, holder: str, seconds: int) -> bool:
    free = BackgroundTask.objects.filter(Q(leased_until=None) | Q(leased_until__lte=Now()), name=name)
    lease = {"holder": holder, "leased_until": Now() + timedelta(seconds=seconds), "started_at": Now()}
    if free.update(**lease):
        return True
    if BackgroundTask.objects.filter(name=name).exists():
        return False
    BackgroundTask.objects.bulk_create([BackgroundTask(name=name)], ignore_conflicts=True)
    return bool(free.update(**lease))


@transaction.atomic
def _end(
    name: str, holder: str, seconds: float, *, done: Mapping[str, int] | None = None, error: str = ""
) -> None:
    """Count a run, and end its lease unless it has run out and another run has it."""
    row = BackgroundTask.objects.select_for_update().get(name=name)
    row.runs += 1
    row.seconds += seconds
    row.error = error
    if error:
        row.failures += 1
    else:
        row.succeeded_at = timezone.now()
    row.done = {**row.done, **{key: row.done.get(key, 0) + number for key, number in (done or {}).items()}}
    if row.holder == holder:
        row.holder, row.leased_until = "", None
    row.save()


def _numbers(result: Any) -> dict[str, int]:
    """Return the numbers of a run's result by name."""
    if isinstance(result, int):
        return {"rows": result}
    if not is_dataclass(result) or isinstance(result, type):
        return {}
    numbers: dict[str, Any] = {}
    for name, value in asdict(result).items():
        numbers |= value if isinstance(value, dict) else {name: value}
    return {name: value for name, value in numbers.items() if isinstance(value, int)}


@dataclass(frozen=True)
class TaskFigures:
    """What the runs of a background task did.

    Args:
        name: the task's name, which is also its command's.
        every: seconds from one run to the next.
        runs, failures: runs that have ended, and those of them that failed.
        seconds: the sum of their durations.
        done: sums of what they reported, by name.
        running: whether a run is under way.
        succeeded_at: the end of the last successful run; None if there was none.
        waiting_since: the last success, or the migration that made the table; None if unknown.
        error: the class of the last run's error; empty if it succeeded.
    """

    name: str
    every: int
    runs: int
    failures: int
    seconds: float
    done: Mapping[str, int]
    running: bool
    succeeded_at: datetime | None
    waiting_since: datetime | None
    error: str

    def is_overdue(self, now: datetime) -> bool:
        """Return whether no run has succeeded for too long."""
        if self.waiting_since is None:
            return False
        allowed = max(_MIN_OVERDUE, timedelta(seconds=_OVERDUE_INTERVALS * self.every))
        return now - self.waiting_since > allowed

    def as_json(self) -> dict[str, Any]:
        """Return the figures as the report shows them."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def figures() -> tuple[TaskFigures, ...]:
    """Return the figures of every scheduled task, of those that never ran as well."""
    rows = {row.name: row for row in BackgroundTask.objects.all()}
    migrated = _migrated_at()
    return tuple(
        _figures(task.name, task.every, rows.get(task.name) or BackgroundTask(name=task.name), migrated)
        for task in settings.BACKGROUND_TASKS
    )


def _figures(name: str, every: int, row: BackgroundTask, migrated: datetime | None) -> TaskFigures:
    return TaskFigures(
        name=name,
        every=every,
        runs=row.runs,
        failures=row.failures,
        seconds=row.seconds,
        done=row.done,
        running=row.leased_until is not None and row.leased_until > timezone.now(),
        succeeded_at=row.succeeded_at,
        waiting_since=row.succeeded_at or migrated,
        error=row.error,
    )


def _migrated_at() -> datetime | None:
    """Return when the table of the tasks was made: no task can have run before."""
    applied = MigrationRecorder.Migration.objects.filter(app="monitoring", name="0002_background_tasks")
    return applied.values_list("applied", flat=True).first()
