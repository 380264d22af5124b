"""Users: moderators see them, admins manage them."""

from http import HTTPStatus
from typing import Final

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator import actions
from orchestrator.api import cache_policy
from orchestrator.api.cached_responses import cached
from orchestrator.api.openapi import IF_MATCH
from orchestrator.api.pagination import require_known
from orchestrator.api.serializers import UserSerializer
from orchestrator.api.views.base import CHANGED_MEANWHILE, ResourceViewSet
from orchestrator.choices import Role
from orchestrator.lists import USERS
from orchestrator.models import User

_CHANGE_ERRORS: Final = {
    HTTPStatus.CONFLICT: "This would leave no admin who can sign in; nothing was changed.",
    **CHANGED_MEANWHILE,
}


class UserViewSet(ResourceViewSet):
    """Users."""

    queryset = User.objects.all()
    serializer_class = UserSerializer
    list_definition = USERS
    roles = {
        "list": Role.MODERATOR,
        "retrieve": Role.MODERATOR,
        "create": Role.ADMIN,
        "partial_update": Role.ADMIN,
        "destroy": Role.ADMIN,
    }
    error_responses = dict.fromkeys(("partial_update", "destroy"), _CHANGE_ERRORS)
    cache_policy = {
        "list": cache_policy.USER_LIST,
        "retrieve": cache_policy.USER_DETAIL,
        "me": cache_policy.own_user,
    }

    def create(self, request: Request) -> Response:
        """Create a user."""
        return self.created(actions.create_user(**self.validated()))

    @extend_schema(parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a user; a new password ends their sessions and tokens."""
        fields = self.validated(self.get_object(), partial=True)  # the password must not resemble the name
        return self.changed(actions.update_user(self.row_id, precondition=self.precondition, **fields))

    @extend_schema(parameters=[IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a user."""
        actions.delete_user(self.row_id, precondition=self.precondition)
        return Response(status=HTTPStatus.NO_CONTENT)

    @action(detail=False, pagination_class=None)
    @cached
    def me(self, request: Request) -> Response:
        """Show the user who sends the request."""
        require_known(request)
        return Response(self.get_serializer(request.user).data)
