"""What all tables' pages have in common."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst

from orchestrator.admin.display import NOTHING
from orchestrator.admin.paging import TableList
from orchestrator.exceptions import DomainError
from orchestrator.walks import Narrowing

if TYPE_CHECKING:
    from orchestrator.models import User


class TableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Pages of one table, whatever its size: nothing here counts it."""

    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    empty_value_display = NOTHING
    #: Columns that the list does not show, and need not read.
    not_listed: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TableList]:
        """Return the class of the list."""
        return TableList

    def search(self, text: str) -> tuple[str, Narrowing]:
        """Return the filter that a text in the search box means, after its name in ``orchestrator.ways``.

        Args:
            text: what was typed in, without blanks around it; never empty.
        """
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that a text means, all where there is none; and that none is there twice."""
        text = search_term.strip()
        return (self.search(text)[1](queryset) if text else queryset), False

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save a row."""
        return _or_told(
            self, request, lambda: super(TableAdmin, self).changeform_view(request, *args, **kwargs)
        )

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask whether to delete a row, or delete it."""
        return _or_told(self, request, lambda: super(TableAdmin, self).delete_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, or act on rows selected from it."""
        if request.POST.get("select_across", "0") != "0":
            selection = request.POST.copy()
            selection.setdefault(ACTION_CHECKBOX_NAME, "")  # Django wants one, and does not look at it
            request.POST = selection  # type: ignore[assignment]
        if request.method == "GET" and ERROR_FLAG in request.GET:
            messages.warning(
                request, "There is no such filter, or no such value of it: this is the whole list."
            )
        context = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        return _or_told(self, request, lambda: super(TableAdmin, self).changelist_view(request, context))


def as_id(text: str) -> UUID | None:
    """Return the id that a text is, or None for any other text."""
    try:
        return UUID(text)
    except ValueError:
        return None


def operator(request: HttpRequest) -> str:
    """Return the name under which histories tell what is done by this request."""
    return str(cast("User", request.user).username)


def _or_told(table: TableAdmin, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    """Return a view's answer; where the domain refuses what it was to do, the same page again, saying why."""
    try:
        if request.method != "POST":
            return view()
        # What is refused half-way leaves nothing behind, not even its entry in the admin's log.
        with transaction.atomic():
            return view()
    except DomainError as error:
        table.message_user(request, str(error), messages.ERROR)
    except ObjectDoesNotExist:
        table.message_user(request, "This was deleted meanwhile.", messages.ERROR)
    except ValidationError:
        table.message_user(request, "This is no id of a row.", messages.ERROR)
    return HttpResponseRedirect(request.get_full_path())
