"""Events: append only."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator import actions
from orchestrator.api import cache_policy
from orchestrator.api.cached_responses import cached
from orchestrator.api.serializers import EventSerializer, RecentEvents
from orchestrator.api.views.base import ResourceViewSet
from orchestrator.filters import EventFilters
from orchestrator.limits import RECENT_LARGEST
from orchestrator.models import Event
from orchestrator.rowjson import page_body


class EventViewSet(ResourceViewSet):
    """Events."""

    queryset = Event.objects.all()
    serializer_class = EventSerializer
    filterset_class = EventFilters
    orders = {"-created_at": ("-created_at", "-id"), "created_at": ("created_at", "id")}
    cache_policy = {
        "list": cache_policy.EVENT_LIST,
        "retrieve": cache_policy.EVENT_DETAIL,
        "recent": cache_policy.recent_events,
    }

    def create(self, request: Request) -> Response:
        """Record an event."""
        return self.created(actions.record_event(**self.validated()))

    @extend_schema(responses=RecentEvents)
    @action(detail=False, filterset_class=None, pagination_class=None)
    @cached
    def recent(self, request: Request) -> HttpResponseBase:
        """List the events of the last hour, newest first, at most 100."""
        rows = Event.objects.recent()
        if request.accepted_renderer.format == "json":
            body = page_body(self.as_json(rows)[:RECENT_LARGEST], following=None, previous=None)
            return HttpResponse(body, content_type="application/json")
        results = self.get_serializer(rows[:RECENT_LARGEST], many=True).data
        return Response({"next": None, "previous": None, "results": results})
