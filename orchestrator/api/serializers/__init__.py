"""Serializers: the JSON of each resource and of request bodies."""

from orchestrator.api.serializers.auth import Credentials, RefreshRequest, TokenResponse
from orchestrator.api.serializers.events import EventSerializer, RecentEvents
from orchestrator.api.serializers.jobs import JobBatch, JobCounts, JobSerializer, StatusChange
from orchestrator.api.serializers.leases import ClaimedJob, ClaimRequest, ClaimResponse, HeartbeatRequest
from orchestrator.api.serializers.tasks import TaskSerializer
from orchestrator.api.serializers.users import UserSerializer

__all__ = [
    "ClaimRequest",
    "ClaimResponse",
    "ClaimedJob",
    "Credentials",
    "EventSerializer",
    "HeartbeatRequest",
    "JobBatch",
    "JobCounts",
    "JobSerializer",
    "RecentEvents",
    "RefreshRequest",
    "StatusChange",
    "TaskSerializer",
    "TokenResponse",
    "UserSerializer",
]
