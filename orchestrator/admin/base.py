"""What all tables' pages have in common."""

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
from orchestrator.admin.formatting import NOTHING
from orchestrator.exceptions import DomainError
from orchestrator.listing import InvalidQuery, ListDefinition

if TYPE_CHECKING:
    from orchestrator.models import User


class KeysetModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Pages of one table; nothing here counts all its rows, however many they are."""

    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    empty_value_display = NOTHING
    #: What the list offers.
    list_definition: ClassVar[ListDefinition]
    #: Filters that the search box sets; the others are shown beside the list.
    search_filters: ClassVar[tuple[str, ...]] = ("id",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        """Return the class of our lists."""
        return KeysetChangeList

    def search(self, text: str) -> dict[str, Any]:
        """Return the conditions that a text in the search box means.

        Args:
            text: what was typed in, without blanks around it; never empty.
        """
        raise NotImplementedError

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save a row."""
        return _handle_domain_errors(
            self, request, lambda: super(KeysetModelAdmin, self).changeform_view(request, *args, **kwargs)
        )

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask whether to delete a row, or delete it."""
        return _handle_domain_errors(
            self, request, lambda: super(KeysetModelAdmin, self).delete_view(request, *args, **kwargs)
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, or act on rows selected from it."""
        if request.POST.get("select_across", "0") != "0":
            selection = request.POST.copy()
            selection.setdefault(ACTION_CHECKBOX_NAME, "")  # Django wants one, and does not look at it
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
    """Return the user name that histories record for this request."""
    return str(cast("User", request.user).username)


def _handle_domain_errors(
    table: KeysetModelAdmin, request: HttpRequest, view: Callable[[], HttpResponse]
) -> HttpResponse:
    """Run a view in a transaction; on a domain error show the message and redirect to the same page."""
    try:
        if request.method != "POST":
            return view()
        # An error half-way leaves nothing behind, not even an entry in the admin's log.
        with transaction.atomic():
            return view()
    except InvalidQuery as error:
        table.message_user(
            request, f"{error.parameter}: {error.message} This is the whole list.", messages.WARNING
        )
        return HttpResponseRedirect(request.path)
    except DomainError as error:
        table.message_user(request, str(error), messages.ERROR)
    except ObjectDoesNotExist:
        table.message_user(request, "This was deleted in the meantime.", messages.ERROR)
    except ValidationError:
        table.message_user(request, "This is not the id of a row.", messages.ERROR)
    return HttpResponseRedirect(request.get_full_path())
