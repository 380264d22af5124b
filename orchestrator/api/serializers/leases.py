"""Claims and heartbeats of workers."""

import re
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orchestrator.api.serializers.jobs import JobSerializer
from orchestrator.api.serializers.strict_fields import (
    Int32Field,
    StrictCharField,
    StrictUUIDField,
    shown,
)
from orchestrator.limits import (
    DEFAULT_LEASE_SECONDS,
    MAX_CLAIMED_JOBS,
    MAX_CLAIMED_QUEUES,
    MAX_LEASE_SECONDS,
    MAX_PROGRESS,
    MAX_QUEUE_LENGTH,
    MAX_WORKER_LENGTH,
    MIN_LEASE_SECONDS,
)
from orchestrator.models import QUEUE_PATTERN

_QUEUE_NAME: Final = re.compile(rf"(?={QUEUE_PATTERN}\Z).{{1,{MAX_QUEUE_LENGTH}}}")


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "pattern": f"^{QUEUE_PATTERN}$", "maxLength": MAX_QUEUE_LENGTH},
        "minItems": 1,
        "maxItems": MAX_CLAIMED_QUEUES,
    }
)
class QueueNamesField(serializers.JSONField):
    """A list of names of queues."""

    default_error_messages = {
        "invalid": "{input} is not a list of queue names. Allowed: 1 to {maximum} names.",
        "size": "The list has {size} queue names. Allowed: 1 to {maximum}.",
        "name": "{input} is not the name of a queue. Allowed: 1 to {maximum} of a-z, 0-9, dots, underscores "
        "and hyphens.",
    }

    def to_internal_value(self, data: Any) -> Any:
        """Return the names."""
        if not isinstance(data, list):
            self.fail("invalid", input=shown(data), maximum=MAX_CLAIMED_QUEUES)
        if not 1 <= len(data) <= MAX_CLAIMED_QUEUES:
            self.fail("size", size=len(data), maximum=MAX_CLAIMED_QUEUES)
        for name in data:
            if not isinstance(name, str) or not _QUEUE_NAME.fullmatch(name):
                self.fail("name", input=shown(name), maximum=MAX_QUEUE_LENGTH)
        return data


class _LeaseSecondsField(Int32Field):
    def __init__(self) -> None:
        super().__init__(
            min_value=MIN_LEASE_SECONDS,
            max_value=MAX_LEASE_SECONDS,
            default=DEFAULT_LEASE_SECONDS,
            help_text="The lease ends so many seconds from now.",
        )


class ClaimRequest(serializers.Serializer[Any]):
    """The body of ``POST …/claim/``."""

    worker = StrictCharField(max_length=MAX_WORKER_LENGTH, help_text="The name of the worker.")
    queues = QueueNamesField(
        required=False,
        allow_null=True,
        initial=None,
        help_text="The queues to claim from; without them, all.",
    )
    limit = Int32Field(min_value=1, max_value=MAX_CLAIMED_JOBS, default=1)
    lease_seconds = _LeaseSecondsField()


class HeartbeatRequest(serializers.Serializer[Any]):
    """The body of ``POST …/heartbeat/``."""

    lease_token = StrictUUIDField(help_text="The token that the worker was given with the job.")
    lease_seconds = _LeaseSecondsField()
    progress = Int32Field(min_value=0, max_value=MAX_PROGRESS, required=False, allow_null=True)


class ClaimedJob(JobSerializer):
    """A job with the token of its lease, which only the worker that claims it is given."""

    class Meta(JobSerializer.Meta):
        fields: tuple[str, ...] = (*JobSerializer.Meta.fields, "lease_token")  # type: ignore[assignment]


class ClaimResponse(serializers.Serializer[Any]):
    """The jobs that a worker was given."""

    jobs = ClaimedJob(many=True)
