"""Tasks."""

from orchestrator.models import Task
from orchestrator.serializers.fields import ResourceSerializer


class TaskSerializer(ResourceSerializer):
    """A task."""

    class Meta:
        model = Task
        fields = ("id", "title", "description", "version", "created_at", "updated_at")
