"""Views: what each request does and which role it requires."""

from orchestrator.api.views.auth import LoginView, RefreshView
from orchestrator.api.views.events import EventViewSet
from orchestrator.api.views.jobs import JobViewSet
from orchestrator.api.views.stream import EventStreamView
from orchestrator.api.views.tasks import TaskViewSet
from orchestrator.api.views.users import UserViewSet

__all__ = [
    "EventStreamView",
    "EventViewSet",
    "JobViewSet",
    "LoginView",
    "RefreshView",
    "TaskViewSet",
    "UserViewSet",
]
