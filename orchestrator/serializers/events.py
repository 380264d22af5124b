"""Events."""

from orchestrator.models import Event
from orchestrator.serializers.fields import ResourceSerializer


class EventSerializer(ResourceSerializer):
    """An event."""

    class Meta:
        model = Event
        fields = ("id", "type", "payload", "created_at")
        extra_kwargs = {"payload": {"required": True}}
