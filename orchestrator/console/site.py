"""The admin site that operators sign in to."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.admin import AdminSite
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from monitoring.readiness import ping
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded

Page = Callable[..., Any]


class Console(AdminSite):
    """The Django admin under the project's name, with the dashboard as its first page."""

    site_title = "Kyros Praxis"
    site_header = "Kyros Praxis"
    index_title = "Operators' console"
    site_url = "/api/v1/"
    enable_nav_sidebar = False  # the menu is on every page, and takes no width

    def admin_view(self, view: Page, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        """Return the page for those who may see it, and for while the database answers."""
        return self._while_it_answers(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the page to sign in on, while the database answers."""
        answer: HttpResponse = self._while_it_answers(super().login)(request, extra_context)
        return answer

    def _while_it_answers(self, page: Page) -> Page:
        """Return a page in whose place another one comes at once while the database is silent.

        Sessions are in the database: who asks, and whether they may see this, nobody can tell then.
        """

        @wraps(page)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                TimeBudget().result(BoundedCall(ping))
            except (TimeBudgetExceeded, Error):
                return self._silence(request)
            return page(request, *args, **kwargs)

        return shown

    @method_decorator(never_cache)
    def _silence(self, request: HttpRequest) -> HttpResponse:
        # Without the request, of which the database would have to tell whose it is.
        context = {"site_header": self.site_header, "site_title": self.site_title, "title": "No database"}
        return HttpResponse(
            render_to_string("console/silence.html", context), status=HTTPStatus.SERVICE_UNAVAILABLE
        )

    def get_urls(self) -> list[Any]:
        """Return the addresses of all pages."""
        # Imported here: the site is made before the models can be.
        from orchestrator.console import views  # noqa: PLC0415

        own = [path(address, self.admin_view(view), name=name) for address, view, name in views.PAGES]
        return [*own, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page shows: Django's, and the way to the console's own pages."""
        from orchestrator.console import views  # noqa: PLC0415

        return {**super().each_context(request), "console_pages": views.MENU}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the dashboard."""
        from orchestrator.console import dashboard  # noqa: PLC0415

        seen = dashboard.dashboard(request.GET.get("range", ""))
        return super().index(request, {"dashboard": seen, **(extra_context or {})})
