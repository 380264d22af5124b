"""One URL for each alternative."""

from django.urls import path

from benchmarks.rivals import views

_LIST = {"get": "list"}

urlpatterns = [
    path("empty/", views.empty),
    path("empty-drf/", views.EmptyView.as_view()),
    path("jobs/", views.JobViewSet.as_view(_LIST)),
    path("report-jobs/", views.ReportJobViewSet.as_view({"post": "create"})),
    path("report-jobs/<uuid:pk>/", views.ReportJobViewSet.as_view({"patch": "partial_update"})),
    path("cached-data/", views.CachedDataViewSet.as_view(_LIST)),
    path("cached-response/", views.CachedResponseViewSet.as_view(_LIST)),
]
