"""Tasks: `If-Match` keeps a client from overwriting a change that it has not seen."""

from http import HTTPStatus

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator import actions
from orchestrator.api import cache_policy
from orchestrator.api.openapi import IF_MATCH
from orchestrator.api.serializers import TaskSerializer
from orchestrator.api.views.base import CHANGED_MEANWHILE, ResourceViewSet
from orchestrator.choices import Role
from orchestrator.lists import TASKS
from orchestrator.models import Task


class TaskViewSet(ResourceViewSet):
    """Tasks."""

    queryset = Task.objects.all()
    serializer_class = TaskSerializer
    list_definition = TASKS
    roles = {"destroy": Role.MODERATOR}
    error_responses = dict.fromkeys(("update", "partial_update", "destroy"), CHANGED_MEANWHILE)
    cache_policy = {"list": cache_policy.TASK_LIST, "retrieve": cache_policy.TASK_DETAIL}

    def create(self, request: Request) -> Response:
        """Create a task."""
        return self.created(actions.create_task(**self.validated()))

    @extend_schema(parameters=[IF_MATCH])
    def update(self, request: Request, pk: str) -> Response:
        """Replace a task."""
        # No ETag: after a PUT it would mean that the body was stored unchanged (RFC 9110, section 9.3.4).
        return self.row_response(self._updated(partial=False))

    @extend_schema(parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a task's title or description."""
        return self.changed(self._updated(partial=True))

    @extend_schema(parameters=[IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a task."""
        actions.delete_task(self.row_id, precondition=self.precondition)
        return Response(status=HTTPStatus.NO_CONTENT)

    def _updated(self, *, partial: bool) -> Task:
        fields = self.validated(partial=partial)
        return actions.update_task(self.row_id, precondition=self.precondition, **fields)
