"""The base of all tables' pages."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst

from orchestrator.admin.change_list import KeysetChangeList
from orchestrator.console.html_formatting import NOTHING
from orchestrator.exceptions import DomainError
from orchestrator.listing import InvalidQuery, ListDefinition

if TYPE_CHECKING:
    from orchestrator.models import User


class KeysetModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Pages of one table. No page counts or reads the whole table."""

    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    empty_value_display = NOTHING
    #: The list's filters, orders and access paths.
    list_definition: ClassVar[ListDefinition]
    #: Filters that the search box sets; the sidebar shows the others.
    search_filters: ClassVar[tuple[str, ...]] = ("id",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        """Return the class of the change list."""
        return KeysetChangeList

    def search(self, text: str) -> dict[str, Any]:
        """Return the filter conditions for a text in the search box.

        Args:
            text: the text, stripped and not empty.
        """
        raise NotImplementedError

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save a row; domain errors become messages."""
        return _handle_domain_errors(
            self, request, lambda: super(KeysetModelAdmin, self).changeform_view(request, *args, **kwargs)
        )

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Confirm and delete a row; domain errors become messages."""
        return _handle_domain_errors(
            self, request, lambda: super(KeysetModelAdmin, self).delete_view(request, *args, **kwargs)
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list or run an action; an invalid query redirects to the whole list."""
        if request.POST.get("select_across", "0") != "0":
            selection = request.POST.copy()
            selection.setdefault(ACTION_CHECKBOX_NAME, "")  # Django requires one, but does not use it
            request.POST = selection  # type: ignore[assignment]
        context = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        return _handle_domain_errors(
            self, request, lambda: super(KeysetModelAdmin, self).changelist_view(request, context)
        )


def parse_uuid(text: str) -> UUID | None:
    """Return a text as an id, or None if it is not one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def acting_username(request: HttpRequest) -> str:
    """Return the username that job histories record for this request."""
    return str(cast("User", request.user).username)


def _handle_domain_errors(
    table: KeysetModelAdmin, request: HttpRequest, view: Callable[[], HttpResponse]
) -> HttpResponse:
    """Run a view in a transaction; on a domain error show the message and redirect to the same page."""
    try:
        if request.method != "POST":
            return view()
        # Atomic, so that an error also rolls back the entry in the admin's log.
        with transaction.atomic():
            return view()
    except InvalidQuery as error:
        table.message_user(
            request, f"{error.parameter}: {error.message} Showing the whole list.", messages.WARNING
        )
        return HttpResponseRedirect(request.path)
    except DomainError as error:
        table.message_user(request, str(error), messages.ERROR)
    except ObjectDoesNotExist:
        table.message_user(request, "This row has been deleted.", messages.ERROR)
    except ValidationError:
        table.message_user(request, "This is not a valid ID.", messages.ERROR)
    return HttpResponseRedirect(request.get_full_path())
