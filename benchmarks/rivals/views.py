"""The list of jobs: empty views, plain DRF, and two usual ways to cache it by hand."""

from typing import Any

from django.conf import settings
from django.core.cache import cache  # noqa: TID251 - what this alternative measures
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from django.views.decorators.vary import vary_on_headers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from benchmarks.rivals.models import Job, ReportJob

_BODY = settings.BODY_FILE.read_bytes() if settings.BODY_FILE.exists() else b""
_SECONDS = 60


def empty(_: HttpRequest) -> HttpResponse:
    """Return the prepared body."""
    return HttpResponse(_BODY, content_type="application/json")


class EmptyView(APIView):
    """Verifies the token, loads the user from the database, and returns the prepared body."""

    def get(self, request: Request) -> HttpResponse:
        """Return the prepared body."""
        return HttpResponse(_BODY, content_type="application/json")


class JobSerializer(ModelSerializer[Job]):
    """A job, with all fields."""

    class Meta:
        model = Job
        fields = "__all__"


class JobViewSet(ModelViewSet[Job]):
    """Jobs as in DRF's tutorial; django-cachalot and django-cacheops need no change here."""

    queryset = Job.objects.all()
    serializer_class = JobSerializer


class ReportJobSerializer(ModelSerializer[ReportJob]):
    """A job of the table for writes, with all fields."""

    class Meta:
        model = ReportJob
        fields = "__all__"


class ReportJobViewSet(ModelViewSet[ReportJob]):
    """The same for the table for writes."""

    queryset = ReportJob.objects.all()
    serializer_class = ReportJobSerializer


class CachedDataViewSet(JobViewSet):
    """Caches the serialized data for a minute, without invalidation."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the list, from the cache if it is there."""
        key = request.get_full_path()
        data = cache.get(key)
        if data is None:
            data = super().list(request, *args, **kwargs).data
            cache.set(key, data, _SECONDS)
        return Response(data)


class CachedResponseViewSet(JobViewSet):
    """Caches the response per token for a minute; a hit does not verify the token."""

    @method_decorator([vary_on_headers("Authorization"), cache_page(_SECONDS)])
    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the response, from the cache if it is there."""
        return super().dispatch(*args, **kwargs)
