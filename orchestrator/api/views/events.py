"""Events: append only."""

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator import actions
from orchestrator.api import cache_policy
from orchestrator.api.cached_responses import cached
from orchestrator.api.pagination import require_known
from orchestrator.api.serializers import EventSerializer, RecentEvents
from orchestrator.api.views.base import ResourceViewSet
from orchestrator.limits import MAX_RECENT_EVENTS
from orchestrator.listing.json_rows import RowAsJSON
from orchestrator.lists import EVENTS
from orchestrator.models import Event


class EventViewSet(ResourceViewSet):
    """Events."""

    queryset = Event.objects.all()
    serializer_class = EventSerializer
    list_definition = EVENTS
    cache_policy = {
        "list": cache_policy.EVENT_LIST,
        "retrieve": cache_policy.EVENT_DETAIL,
        "recent": cache_policy.recent_events,
    }

    def create(self, request: Request) -> Response:
        """Record an event."""
        return self.created(actions.record_event(**self.validated()))

    @extend_schema(responses=RecentEvents)
    @action(detail=False, pagination_class=None)
    @cached
    def recent(self, request: Request) -> HttpResponseBase:
        """List the events of the last hour, newest first, at most 100."""
        require_known(request)
        rows = Event.objects.recent().annotate(as_json=RowAsJSON(*self.shown_fields))
        return self.page_response(rows.values_list("as_json", flat=True)[:MAX_RECENT_EVENTS])
