"""One URL for each alternative."""

from django.urls import path

from benchmarks.rivals import views

_LIST = {"get": "list"}

urlpatterns = [
    path("empty/", views.empty),
    path("empty-drf/", views.EmptyView.as_view()),
    path("jobs/", views.JobViewSet.as_view(_LIST)),
    path("cached-data/", views.CachedData.as_view(_LIST)),
    path("cached-response/", views.CachedResponse.as_view(_LIST)),
]
