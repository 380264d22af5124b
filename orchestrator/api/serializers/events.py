"""Events."""

from typing import Any

from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import ResourceSerializer
from orchestrator.models import Event


class EventSerializer(ResourceSerializer):
    """An event."""

    class Meta:
        model = Event
        fields = ("id", "type", "payload", "created_at")
        extra_kwargs = {"payload": {"required": True}}


class RecentEvents(serializers.Serializer[Any]):
    """The response of ``GET /events/recent/``: a list with a single page."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = EventSerializer(many=True)
