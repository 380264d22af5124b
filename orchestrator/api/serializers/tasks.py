"""Tasks."""

from orchestrator.api.serializers.strict_fields import ResourceSerializer
from orchestrator.models import Task


class TaskSerializer(ResourceSerializer):
    """A task."""

    class Meta:
        model = Task
        fields = ("id", "title", "description", "version", "created_at", "updated_at")
