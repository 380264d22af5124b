"""Submits jobs, all or none."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from orchestrator import actions
from orchestrator.db import rows
from orchestrator.db.ids import new_id
from orchestrator.exceptions import SubmittedJobsDeleted
from orchestrator.models import Job
from orchestrator.submission import idempotency
from orchestrator.submission.idempotency import IdempotencyKey


class Submission(NamedTuple):
    """The jobs of a request, and whether this request created them or an earlier one with the same key."""

    jobs: Sequence[Job]
    is_new: bool


@transaction.atomic
def submit(wanted: Sequence[Mapping[str, Any]], *, by: str, key: IdempotencyKey | None = None) -> Submission:
    """Create pending jobs and their first events, in this order.

    Args:
        wanted: the fields of each job, of which its creator may set each.
        by: the username for the history.
        key: if an earlier request had the same key, its jobs are returned as they are now.

    Raises:
        IdempotencyKeyReused: if the earlier request was another one.
        SubmittedJobsDeleted: if jobs of the earlier request have been deleted.
    """
    ids = [new_id() for _ in wanted]
    earlier = None if key is None else idempotency.remember(key, ids)
    if earlier is not None:
        return Submission(_existing(earlier), is_new=False)
    fields = [{**each, "id": job_id} for each, job_id in zip(wanted, ids, strict=True)]
    if len(fields) == 1:
        return Submission([actions.create_job(by=by, **fields[0])], is_new=True)
    return Submission(_created(fields, by), is_new=True)


def _created(fields: Sequence[Mapping[str, Any]], by: str) -> Sequence[Job]:
    jobs, events = zip(*(actions.new_job(by=by, **each) for each in fields), strict=True)
    connection = connections[DEFAULT_DB_ALIAS]
    rows.insert(connection, jobs)
    rows.insert(connection, events)
    return jobs


def _existing(ids: Sequence[UUID]) -> Sequence[Job]:
    found = Job.objects.in_bulk(ids)
    if len(found) < len(ids):
        raise SubmittedJobsDeleted
    return [found[job_id] for job_id in ids]
