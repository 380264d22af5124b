"""The admin site that operators sign in to."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from orchestrator.auth.throttling import with_status_429


class Console(AdminSite):
    """The Django admin under the project's name, with the dashboard as its first page."""

    site_title = "Kyros Praxis"
    site_header = "Kyros Praxis"
    index_title = "Operators' console"
    site_url = "/api/v1/"
    enable_nav_sidebar = False  # the menu at the top replaces it

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the sign-in page, with status 429 after too many failed logins."""
        response: HttpResponse = with_status_429(super().login)(request, extra_context)
        return response

    def get_urls(self) -> list[Any]:
        """Return the URLs of all pages."""
        # Imported here: the site is made before the models are loaded.
        from orchestrator.console import views  # noqa: PLC0415

        own = [path(route, self.admin_view(view), name=name) for route, view, name in views.PAGES]
        # No model has pages outside the admin, and Django's view for them fails on ids that are no UUIDs.
        no_shortcut = path("r/<path:row>/", self.admin_view(_not_found))
        return [*own, no_shortcut, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the template context of every page: Django's, and the menu."""
        from orchestrator.console import views  # noqa: PLC0415

        return {**super().each_context(request), "console_pages": views.MENU}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the dashboard."""
        from orchestrator.console import dashboard  # noqa: PLC0415

        current = dashboard.dashboard(request.GET.get("range", ""))
        return super().index(request, {"dashboard": current, **(extra_context or {})})


def _not_found(_: HttpRequest, row: str) -> HttpResponse:
    raise Http404(f"{row} has no page outside the admin")
