"""The URLs of the whole site. Those of the API are in `orchestrator.api.urls`."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

admin.autodiscover()


class _SchemaView(SpectacularAPIView):
    def _get_version_parameter(self, request: HttpRequest) -> None:
        """Ignore ``?version=``: the API has one version, and the text would come back in a header."""


class _DocsView(SpectacularSwaggerSplitView):
    http_method_names = ["get", "head"]  # its template has no page for OPTIONS


urlpatterns = [
    path("", include("orchestrator.api.urls")),  # first, because most requests are for it
    path("", RedirectView.as_view(url="/api/v1/"), name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/schema/", _SchemaView.as_view(), name="schema"),
    path("api/v1/docs/", _DocsView.as_view(url_name="schema"), name="docs"),
    path("", include("monitoring.urls")),
]

handler400 = "kyros.error_views.bad_request"
handler403 = "kyros.error_views.permission_denied"
handler404 = "kyros.error_views.not_found"
handler500 = "kyros.error_views.server_error"
