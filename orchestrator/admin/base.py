"""What all tables' pages have in common."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from orchestrator.admin.paging import BoundedPaginator
from orchestrator.errors import DomainError

if TYPE_CHECKING:
    from orchestrator.models import User


class TableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Pages of one table, whatever its size: nothing here counts it."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    #: Whether actions take all rows that match, too, not only those of the page that was seen.
    acts_across_pages = False
    ordering: ClassVar[tuple[str, ...]] = ("-created_at", "-id")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save a row."""
        return _or_told(
            self, request, lambda: super(TableAdmin, self).changeform_view(request, *args, **kwargs)
        )

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask whether to delete a row, or delete it."""
        return _or_told(self, request, lambda: super(TableAdmin, self).delete_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the list, or act on rows selected from it."""
        if request.POST.get("select_across", "0") != "0":
            selection = request.POST.copy()
            if not self.acts_across_pages:
                # What is selected is what was seen: an action takes one page at a time.
                selection["select_across"] = "0"
            elif ACTION_CHECKBOX_NAME not in selection:
                selection[ACTION_CHECKBOX_NAME] = ""  # Django wants one, and does not look at it
            request.POST = selection  # type: ignore[assignment]
        return _or_told(
            self, request, lambda: super(TableAdmin, self).changelist_view(request, *args, **kwargs)
        )


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
