"""The base of all tables' pages."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist, SuspiciousOperation, ValidationError
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from orchestrator.admin.change_list import CURSOR_VAR, KeysetChangeList
from orchestrator.console.html_formatting import NOTHING, ago
from orchestrator.exceptions import DomainError
from orchestrator.listing import InvalidQuery, ListDefinition

if TYPE_CHECKING:
    from orchestrator.models import User

#: Query parameters of a list that are no filters.
_NO_FILTERS = (*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG, CURSOR_VAR)


def time_column(
    field: str,
    description: str,
    show: Callable[[Any], SafeString | str] = ago,
    ordering: str | None = None,
) -> Callable[[Any, Model], SafeString | str]:
    """Return a column for a datetime field: by default how long ago it was."""

    @admin.display(description=description, ordering=ordering)
    def column(_: Any, row: Model) -> SafeString | str:
        return show(getattr(row, field))

    return column


def errors_as_messages(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return a view that runs in a transaction, and that shows domain errors as messages on the same page."""

    @wraps(view)
    def wrapped(table: "KeysetModelAdmin", request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            if request.method != "POST":
                return view(table, request, *args, **kwargs)
            # Atomic, so that an error also rolls back the entry in the admin's log.
            with transaction.atomic():
                return view(table, request, *args, **kwargs)
        except InvalidQuery as error:
            text = f"{error.parameter}: {error.message} Showing the whole list."
            table.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(request.path)
        except DomainError as error:
            table.message_user(request, str(error), messages.ERROR)
        except (FieldDoesNotExist, SuspiciousOperation):
            table.message_user(request, "The URL has an invalid parameter.", messages.WARNING)
            return HttpResponseRedirect(request.path)
        except ObjectDoesNotExist:
            table.message_user(request, "This row has been deleted.", messages.ERROR)
        except ValidationError:
            table.message_user(request, "This is not a valid ID.", messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    return wrapped


class KeysetModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Pages of one table. No page counts or reads the whole table."""

    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    empty_value_display = NOTHING
    #: The list's filters, orders and access paths.
    list_definition: ClassVar[ListDefinition]
    #: Filters that the search box sets: ``id`` for an ID, the last one for any other text. The sidebar shows
    #: all other filters.
    search_filters: ClassVar[tuple[str, ...]] = ("id",)

    created = time_column("created_at", "created", ordering="created_at")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def search(self, text: str) -> dict[str, str]:
        """Return the filter that a text in the search box sets, and its value."""
        return {"id" if is_uuid(text) else self.search_filters[-1]: text}

    def read_query(self, query: QueryDict) -> dict[str, Any]:
        """Return the conditions in a list's query string, those of the search box included.

        Raises:
            InvalidQuery: when the list does not serve them.
        """
        filters = self.list_definition.console_filters
        known = [name for filter_ in filters for name in filter_.parameters]
        parameters = {name: str(text) for name, text in query.items() if name not in _NO_FILTERS}
        for name in parameters:
            if name not in known:
                raise InvalidQuery(name, f"Unknown filter. Known: {', '.join(known)}.")
        text = query.get(SEARCH_VAR, "").strip()
        return self.list_definition.read({**parameters, **(self.search(text) if text else {})}, filters)

    @errors_as_messages
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(request, *args, **kwargs)

    @errors_as_messages
    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().delete_view(request, *args, **kwargs)

    @errors_as_messages
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.POST.get("select_across", "0") != "0":
            selection = request.POST.copy()
            selection.setdefault(ACTION_CHECKBOX_NAME, "")  # Django requires one, but does not use it
            request.POST = selection  # type: ignore[assignment]
        context = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        return super().changelist_view(request, context)


def is_uuid(text: str) -> bool:
    """Return whether a text is an ID."""
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def acting_username(request: HttpRequest) -> str:
    """Return the username that job histories record for this request."""
    return str(cast("User", request.user).username)
