"""Users: seen by moderators, managed by admins."""

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator import actions
from orchestrator.api import cache_policy
from orchestrator.api.cached_responses import cached
from orchestrator.api.serializers import UserSerializer
from orchestrator.api.views.base import ResourceViewSet
from orchestrator.choices import Role
from orchestrator.lists import USERS
from orchestrator.models import User


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
    cache_policy = {
        "list": cache_policy.USER_LIST,
        "retrieve": cache_policy.USER_DETAIL,
        "me": cache_policy.own_user,
    }

    def create(self, request: Request) -> Response:
        """Make a user who can sign in."""
        return self.created(actions.create_user(**self.validated()))

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a user; a new password ends their sessions and tokens."""
        fields = self.validated(self.get_object(), partial=True)  # a password must not be like the name
        return self.answer(actions.update_user(self.row_id, **fields))

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a user."""
        actions.delete_user(self.row_id)
        return Response(status=204)

    @action(detail=False, pagination_class=None)
    @cached
    def me(self, request: Request) -> Response:
        """Show the user who asks."""
        return Response(self.get_serializer(request.user).data)
