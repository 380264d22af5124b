"""HTTP: which request asks for what, of which role, and how the answer looks."""

from orchestrator.api.views.auth import LoginView, RefreshView
from orchestrator.api.views.events import EventViewSet
from orchestrator.api.views.jobs import JobViewSet
from orchestrator.api.views.tasks import TaskViewSet
from orchestrator.api.views.users import UserViewSet

__all__ = ["EventViewSet", "JobViewSet", "LoginView", "RefreshView", "TaskViewSet", "UserViewSet"]
