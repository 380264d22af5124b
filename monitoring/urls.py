"""The URLs of this application, relative to the root of the site."""

from django.urls import path

from monitoring import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.MetricsView.as_view(), name="metrics"),
    path("monitoring/cache/health", views.CacheHealthView.as_view(), name="cache-health"),
    path(
        "monitoring/performance/database",
        views.DatabasePerformanceView.as_view(),
        name="database-performance",
    ),
]
