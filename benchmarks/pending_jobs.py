"""Puts pending jobs into the queue, by thousands through the service's code, or by millions in SQL."""

from collections.abc import Mapping
from typing import Final

from django.db import connection

from benchmarks.scaling import bulk_writing, columns_of
from orchestrator import actions, counts
from orchestrator.choices import JobStatus
from orchestrator.demo.bulk_load import analyze
from orchestrator.models import Job
from orchestrator.submission.jobs import submit

#: Copies of one job. The first is the oldest, and each is of another millisecond.
_INSERT: Final = """
    INSERT INTO jobs (id, {columns})
    {numbers}
    SELECT {id}, {values} FROM jobs CROSS JOIN numbers WHERE jobs.id = '{template}'
"""
_NUMBERS: Final = {
    "postgresql": "WITH numbers (n) AS (SELECT generate_series(1, {number}))",
    "sqlite": (
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number})"
    ),
}
#: Ids are in the order of creation, as those that the service makes.
_ID: Final = {
    "postgresql": "lpad(to_hex({first} + n), 32, '0')::uuid",
    "sqlite": "printf('%032x', {first} + n)",
}
#: A time so many milliseconds from now. On SQLite it is as Django writes it: six digits, never all zero.
_TIME: Final = {
    "postgresql": "now() + ({milliseconds}) * interval '1 ms'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', (({milliseconds}) / 1000.0) || ' seconds') || '001'",
}
_DAY_IN_MS: Final = 86_400_000
#: How many jobs one submission has, as over HTTP.
_BATCH: Final = 1000


def replace_pending(due: int, later: int, priorities: int, queues: int) -> None:
    """Replace all pending jobs.

    Args:
        due: number of jobs that can be claimed.
        later: number of jobs that can be claimed from tomorrow on.
        priorities: number of priorities that the jobs have in turn, from 0 on.
        queues: number of queues that they are in in turn: ``queue-0``, ``queue-1``, …
    """
    Job.objects.filter(status=JobStatus.PENDING).delete()
    template = actions.create_job(by="bench", name="pending")
    shared = {"priority": f"n % {priorities}", "queue": f"'queue-' || (n % {queues})"}
    with bulk_writing() as execute:
        for numbers, is_due in ((range(due), True), (range(due, due + later), False)):
            if numbers:
                execute(_insert(template, numbers, shared, is_due=is_due))
    template.delete()


def top_up_pending(number: int) -> None:
    """Submit jobs until so many are pending."""
    missing = max(0, number - counts.jobs_by_status()[JobStatus.PENDING])
    for start in range(0, missing, _BATCH):
        submit([{"name": "pending"}] * min(_BATCH, missing - start), by="bench")
    analyze(connection)


def _insert(template: Job, numbers: range, values: Mapping[str, str], *, is_due: bool) -> str:
    vendor = connection.vendor
    created_at = _TIME[vendor].format(milliseconds=f"n - {len(numbers)}")
    values = {
        **values,
        "due": str(is_due).lower(),
        "created_at": created_at,
        "updated_at": created_at,
        "available_at": created_at if is_due else _TIME[vendor].format(milliseconds=f"{_DAY_IN_MS} + n"),
    }
    columns = columns_of(Job)
    return _INSERT.format(
        columns=", ".join(columns),
        numbers=_NUMBERS[vendor].format(number=len(numbers)),
        id=_ID[vendor].format(first=numbers.start),
        values=", ".join(values.get(column, column) for column in columns),
        template=template.pk.hex,
    )
