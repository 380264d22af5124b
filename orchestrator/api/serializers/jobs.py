"""Jobs, changes of their status, and their counts."""

from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import (
    ResourceSerializer,
    StrictCharField,
    StrictChoiceField,
    StrictJSONObjectField,
    StrictListField,
    StrictUUIDField,
)
from orchestrator.choices import JobStatus
from orchestrator.limits import MAX_BATCH_JOBS, MAX_REASON_LENGTH
from orchestrator.models import Job


class JobSerializer(ResourceSerializer):
    """A job."""

    class Meta:
        model = Job
        fields = (
            "id",
            "name",
            "description",
            "status",
            "priority",
            "queue",
            "metadata",
            "result",
            "progress",
            "created_at",
            "updated_at",
            "available_at",
            "started_at",
            "completed_at",
            "attempts",
            "max_attempts",
            "worker",
            "lease_expires_at",
        )
        extra_kwargs: ClassVar = {
            "priority": {"initial": 0},
            "queue": {"initial": "default", "trim_whitespace": False},
            "max_attempts": {"initial": 3},
            "available_at": {"initial": timezone.now},
        }
        read_only_fields = ("status", "attempts")


class JobBatch(serializers.Serializer[Any]):
    """The body of ``POST …/bulk/``, and its response."""

    jobs = StrictListField(child=JobSerializer(), min_length=1, max_length=MAX_BATCH_JOBS)


class StatusChange(serializers.Serializer[Any]):
    """The body of ``PUT …/status/``."""

    status = StrictChoiceField(choices=JobStatus.choices)
    lease_token = StrictUUIDField(
        required=False, allow_null=True, help_text="The token that the worker was given with the job."
    )
    reason = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=MAX_REASON_LENGTH)
    result = StrictJSONObjectField(
        required=False, allow_null=True, initial=None, help_text="Only with the status completed."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a result for any status other than completed."""
        if attrs.get("result") is not None and attrs["status"] != JobStatus.COMPLETED:
            message = f"A {attrs['status']} job has no result. Allowed: only with the status completed."
            raise serializers.ValidationError({"result": [message]})
        return attrs


class _CountsByStatus(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {status: serializers.IntegerField(min_value=0) for status in JobStatus.values}


class JobCounts(serializers.Serializer[Any]):
    """The number of jobs, in total and by status."""

    counts = _CountsByStatus()
    total = serializers.IntegerField(min_value=0)
