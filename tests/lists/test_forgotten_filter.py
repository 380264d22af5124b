"""A filter that is declared for a list narrows it with every other filter, whatever path the list takes."""

import django_filters
import pytest
from django.utils import timezone

from orchestrator.filters import JobFilters
from orchestrator.models import Job
from orchestrator.viewsets import JobViewSet


class WithWorker(JobFilters):
    worker = django_filters.CharFilter()


@pytest.mark.django_db
def test_a_filter_that_is_added_narrows_a_list_with_a_range(as_user, monkeypatch):
    monkeypatch.setattr(JobViewSet, "filterset_class", WithWorker)
    now = timezone.now()
    Job.objects.bulk_create(Job(name=name, worker=name, started_at=now) for name in ("a", "b"))

    rows = as_user.get("/api/v1/jobs/", {"worker": "a", "started_after": "2000-01-01"}).json()["results"]

    assert [row["name"] for row in rows] == ["a"]
