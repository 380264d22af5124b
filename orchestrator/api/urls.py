"""The URLs of the API and of authentication."""

from django.contrib.auth.views import LoginView
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from orchestrator.api import views
from orchestrator.auth.throttling import with_status_429

router = DefaultRouter()
router.include_format_suffixes = False
router.register("jobs", views.JobViewSet)
router.register("events", views.EventViewSet)
router.register("tasks", views.TaskViewSet)
router.register("users", views.UserViewSet)

urlpatterns = [
    path("api/v1/events/stream/", views.EventStreamView.as_view(), name="event-stream"),
    path("api/v1/", include(router.urls)),
    path("auth/login/", views.LoginView.as_view(), name="token-login"),
    path("auth/refresh/", views.RefreshView.as_view(), name="token-refresh"),
    # The login and logout pages of the browsable API.
    path(
        "auth/session/login/",
        with_status_429(LoginView.as_view(template_name="rest_framework/login.html")),
    ),
    path("auth/session/", include("rest_framework.urls")),
]
