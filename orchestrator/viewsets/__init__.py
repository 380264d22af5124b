"""HTTP: which request asks for what, of which role, and how the answer looks."""

from orchestrator.viewsets.auth import LoginView, RefreshView
from orchestrator.viewsets.events import EventViewSet
from orchestrator.viewsets.jobs import JobViewSet
from orchestrator.viewsets.tasks import TaskViewSet
from orchestrator.viewsets.users import UserViewSet

__all__ = ["EventViewSet", "JobViewSet", "LoginView", "RefreshView", "TaskViewSet", "UserViewSet"]
