"""Tasks: `If-Match` keeps a client from overwriting a change that it has not seen."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator import actions
from orchestrator.api import cache_policy
from orchestrator.api.etags import etag_of, is_current
from orchestrator.api.openapi import IF_MATCH
from orchestrator.api.serializers import TaskSerializer
from orchestrator.api.views.base import ResourceViewSet
from orchestrator.choices import Role
from orchestrator.exceptions import PreconditionFailed
from orchestrator.json_codec import to_json
from orchestrator.lists import TASKS
from orchestrator.models import Task

_CHANGED: Final = {
    HTTPStatus.PRECONDITION_FAILED: "The task's `ETag` is not the one of `If-Match`; nothing was changed."
}


class TaskViewSet(ResourceViewSet):
    """Tasks."""

    queryset = Task.objects.all()
    serializer_class = TaskSerializer
    list_definition = TASKS
    roles = {"destroy": Role.MODERATOR}
    error_responses = {"update": _CHANGED, "partial_update": _CHANGED, "destroy": _CHANGED}
    cache_policy = {"list": cache_policy.TASK_LIST, "retrieve": cache_policy.TASK_DETAIL}

    def create(self, request: Request) -> Response:
        """Create a task."""
        task = actions.create_task(**self.validated())
        return self.created(task, {"ETag": etag_of_task(task)})

    @extend_schema(parameters=[IF_MATCH])
    def update(self, request: Request, pk: str) -> Response:
        """Replace a task."""
        # No ETag: after a PUT it would mean that the body was stored unchanged (RFC 9110, section 9.3.4).
        return self.answer(self._changed(partial=False))

    @extend_schema(parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a task's title or description."""
        task = self._changed(partial=True)
        return self.answer(task, headers={"ETag": etag_of_task(task)})

    @extend_schema(parameters=[IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a task."""
        actions.delete_task(self.row_id, precondition=self._guard)
        return Response(status=HTTPStatus.NO_CONTENT)

    def _changed(self, *, partial: bool) -> Task:
        return actions.update_task(self.row_id, precondition=self._guard, **self.validated(partial=partial))

    @property
    def _guard(self) -> Callable[[Task], None] | None:
        """Return the check of ``If-Match`` against the current task; None without the header."""
        if_match = self.request.META.get("HTTP_IF_MATCH")
        return None if if_match is None else lambda task: require_current(task, if_match)


def etag_of_task(task: Task) -> str:
    """Return the ETag of a task's JSON."""
    return etag_of(to_json(TaskSerializer(task).data))


def require_current(task: Task, if_match: str) -> None:
    """Check that ``If-Match`` names the task's current ETag.

    Raises:
        PreconditionFailed: when it does not.
    """
    etag = etag_of_task(task)
    if not is_current(if_match, etag):
        raise PreconditionFailed(etag)
