"""The admin site that operators sign in to."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.admin import AdminSite
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from monitoring.readiness import ping
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded
from orchestrator.auth.throttling import with_status_429

Page = Callable[..., Any]


class Console(AdminSite):
    """The Django admin under the project's name, with the dashboard as its first page."""

    site_title = "Kyros Praxis"
    site_header = "Kyros Praxis"
    index_title = "Operators' console"
    site_url = "/api/v1/"
    enable_nav_sidebar = False  # the menu at the top replaces it

    def admin_view(self, view: Page, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        """Return a view that checks the database, then the user's permission, then shows the page."""
        return self._require_database(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the sign-in page."""
        page = with_status_429(self._require_database(super().login))
        response: HttpResponse = page(request, extra_context)
        return response

    def _require_database(self, page: Page) -> Page:
        """Return a view that shows ``page``, or at once a 503 page while the database does not respond.

        Sessions are in the database: without it, the user is unknown.
        """

        @wraps(page)
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                TimeBudget().result(BoundedCall(ping))
            except (TimeBudgetExceeded, Error):
                return self._database_unavailable(request)
            return page(request, *args, **kwargs)

        return view

    @method_decorator(never_cache)
    def _database_unavailable(self, request: HttpRequest) -> HttpResponse:
        # Rendered without the request: its user would have to be read from the database.
        context = {
            "site_header": self.site_header,
            "site_title": self.site_title,
            "title": "Database unavailable",
        }
        return HttpResponse(
            render_to_string("console/database_unavailable.html", context),
            status=HTTPStatus.SERVICE_UNAVAILABLE,
        )

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
