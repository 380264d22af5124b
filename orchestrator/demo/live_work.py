"""How the demo's workers do jobs: at a pace that people can follow. After each job they submit another."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from orchestrator.demo.jobs import new_job
from orchestrator.demo.vocabulary import KINDS, JobKind

_MAX_SECONDS: Final = 30
_FAILED_SHARE: Final = 0.06
#: How long the next job waits for its time, on average. There are never more open jobs than at first, and a
#: demo that goes on for weeks does not fill the disk: 2,000 demo jobs lead to a few thousand new ones a day.
_MEAN_WAIT: Final = timedelta(minutes=20)


def seconds_of(random: Random, job: Mapping[str, Any]) -> float:
    """Return how long to work on a job as the API returns it: longer for a kind that takes longer."""
    return min(_MAX_SECONDS, (2 + math.sqrt(_kind_of(job).seconds)) * random.uniform(0.5, 1.5))


def failure_of(random: Random, job: Mapping[str, Any]) -> str | None:
    """Return why a job fails; None for most."""
    return _kind_of(job).failure if random.random() < _FAILED_SHARE else None


def next_job(random: Random, now: datetime) -> dict[str, Any]:
    """Return the fields of the job to submit after one that is done."""
    wait = random.expovariate(1 / _MEAN_WAIT.total_seconds())
    return {**new_job(random), "available_at": (now + timedelta(seconds=wait)).isoformat()}


def _kind_of(job: Mapping[str, Any]) -> JobKind:
    """Return the kind of a demo job, or any kind for a job that somebody else has submitted."""
    for kind in KINDS:
        if kind.queue == job["queue"] and job["name"].startswith(kind.name.partition("{")[0]):
            return kind
    return KINDS[0]
