"""Jobs: clients submit them, workers report on them, operators manage them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.db import router
from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator import actions, counts
from orchestrator.api import cache_policy
from orchestrator.api.cached_responses import cached
from orchestrator.api.idempotency_header import SUBMITTED_BEFORE, idempotency_key
from orchestrator.api.openapi import IDEMPOTENCY_KEY, IF_MATCH
from orchestrator.api.pagination import require_known
from orchestrator.api.serializers import (
    ClaimedJob,
    ClaimRequest,
    ClaimResponse,
    EventSerializer,
    HeartbeatRequest,
    JobBatch,
    JobCounts,
    JobSerializer,
    StatusChange,
)
from orchestrator.api.views.base import CHANGED_MEANWHILE, ResourceViewSet, shown_row
from orchestrator.choices import JobStatus, Role
from orchestrator.leases.claim import claim
from orchestrator.leases.heartbeat import heartbeat
from orchestrator.lists import JOB_HISTORY, JOBS
from orchestrator.models import Job
from orchestrator.submission.jobs import Submission, submit


class JobViewSet(ResourceViewSet):
    """Jobs."""

    queryset = Job.objects.all()
    serializer_class = JobSerializer
    list_definition = JOBS
    roles = {"destroy": Role.MODERATOR}
    error_responses = {
        "create": SUBMITTED_BEFORE,
        "bulk": SUBMITTED_BEFORE,
        "partial_update": CHANGED_MEANWHILE,
        "destroy": CHANGED_MEANWHILE,
        "status": {
            HTTPStatus.CONFLICT: "The job's status does not allow this; nothing was changed.",
            **CHANGED_MEANWHILE,
        },
        "heartbeat": {HTTPStatus.CONFLICT: "The lease has ended; nothing was changed."},
    }
    cache_policy = {
        "list": cache_policy.JOB_LIST,
        "retrieve": cache_policy.JOB_DETAIL,
        "counts": cache_policy.JOB_COUNTS,
        "events": cache_policy.JOB_EVENTS,
    }

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        responses={HTTPStatus.CREATED: JobSerializer, HTTPStatus.OK: JobSerializer},
    )
    def create(self, request: Request) -> Response:
        """Submit a job, which is then pending."""
        (job,), is_new = self._submit([self.validated()])
        return self.created(job) if is_new else self.changed(job)

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY], responses={HTTPStatus.CREATED: JobBatch, HTTPStatus.OK: JobBatch}
    )
    @action(detail=False, methods=["post"], serializer_class=JobBatch, pagination_class=None)
    def bulk(self, request: Request) -> Response:
        """Submit up to 1,000 jobs, all or none."""
        jobs, is_new = self._submit(self.validated()["jobs"])
        body = {"jobs": [self.shown(job) for job in jobs]}
        return Response(body, HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    def _submit(self, wanted: Sequence[dict[str, Any]]) -> Submission:
        return submit(wanted, by=self.request.user.username, key=idempotency_key(self.request))

    @extend_schema(parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the fields of a job that its creator may set."""
        fields = self.validated(partial=True)
        job = actions.update_job(
            self.row_id, by=request.user.username, precondition=self.precondition, **fields
        )
        return self.changed(job)

    @extend_schema(parameters=[IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a job, but not its history."""
        actions.delete_job(self.row_id, by=request.user.username, precondition=self.precondition)
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(parameters=[IF_MATCH], responses=JobSerializer)
    @action(detail=True, methods=["put"], serializer_class=StatusChange)
    def status(self, request: Request, pk: str) -> Response:
        """Change a job's status; a completed job may have a result."""
        wanted = self.validated()
        status, by = JobStatus(wanted.pop("status")), request.user.username
        job = actions.change_status(self.row_id, status, by=by, precondition=self.precondition, **wanted)
        return self.row_response(job)

    @extend_schema(responses=ClaimResponse)
    @action(detail=False, methods=["post"], serializer_class=ClaimRequest, pagination_class=None)
    def claim(self, request: Request) -> Response:
        """Hand the next jobs to a worker: the highest priority first, and of these the oldest."""
        jobs = claim(by=request.user.username, **self.validated())
        return Response({"jobs": [shown_row(job, ClaimedJob) for job in jobs]})

    @extend_schema(responses=JobSerializer)
    @action(detail=True, methods=["post"], serializer_class=HeartbeatRequest)
    def heartbeat(self, request: Request, pk: str) -> Response:
        """Extend the lease of a running job, and report its progress."""
        job = heartbeat(self.row_id, by=request.user.username, **self.validated())
        return self.row_response(job)

    @action(detail=False, serializer_class=JobCounts, pagination_class=None)
    @cached
    def counts(self, request: Request) -> Response:
        """Count the jobs, in total and by status."""
        require_known(request)
        by_status = counts.jobs_by_status(router.db_for_read(Job))
        return Response({"counts": by_status, "total": sum(by_status.values())})

    @extend_schema(responses=EventSerializer(many=True))
    @action(detail=True, serializer_class=EventSerializer, list_definition=JOB_HISTORY)
    @cached
    def events(self, request: Request, pk: str) -> HttpResponseBase:
        """List a job's history, newest first. It outlives the job."""
        rows = self.read_page(JOB_HISTORY, job=self.row_id)
        if not rows and not Job.objects.filter(pk=self.row_id).exists():
            raise Http404
        return self.page_response(rows)
