"""The admin site that operators sign in to."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path


class Console(AdminSite):
    """The Django admin under the project's name, with the dashboard as its first page."""

    site_title = "Kyros Praxis"
    site_header = "Kyros Praxis"
    index_title = "Operators' console"
    site_url = "/api/v1/"
    enable_nav_sidebar = False  # the menu is on every page, and takes no width

    def get_urls(self) -> list[Any]:
        """Return the addresses of all pages."""
        # Imported here: the site is made before the models can be.
        from orchestrator.console import pages  # noqa: PLC0415

        own = [path(address, self.admin_view(view), name=name) for address, view, name in pages.PAGES]
        return [*own, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page shows: Django's, and the way to the console's own pages."""
        from orchestrator.console import pages  # noqa: PLC0415

        return {**super().each_context(request), "console_pages": pages.MENU}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the dashboard."""
        from orchestrator.console import dashboard  # noqa: PLC0415

        seen = dashboard.dashboard(request.GET.get("range", ""))
        return super().index(request, {"dashboard": seen, **(extra_context or {})})
