"""The addresses of the API and of signing in."""

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from orchestrator import viewsets

router = DefaultRouter()
router.include_format_suffixes = False
router.register("jobs", viewsets.JobViewSet)
router.register("events", viewsets.EventViewSet)
router.register("tasks", viewsets.TaskViewSet)
router.register("users", viewsets.UserViewSet)

urlpatterns = [
    path("auth/login/", viewsets.LoginView.as_view(), name="token-login"),
    path("auth/refresh/", viewsets.RefreshView.as_view(), name="token-refresh"),
    # The pages by which a browser signs in and out.
    path("auth/session/", include("rest_framework.urls")),
    path("api/v1/", include(router.urls)),
]
