"""The JSON of each resource, and what a request may hold."""

from orchestrator.serializers.auth import Credentials, RefreshRequest, Tokens
from orchestrator.serializers.events import EventSerializer, RecentEvents
from orchestrator.serializers.jobs import JobCounts, JobSerializer, StatusChange
from orchestrator.serializers.tasks import TaskSerializer
from orchestrator.serializers.users import UserSerializer

__all__ = [
    "Credentials",
    "EventSerializer",
    "JobCounts",
    "JobSerializer",
    "RecentEvents",
    "RefreshRequest",
    "StatusChange",
    "TaskSerializer",
    "Tokens",
    "UserSerializer",
]
