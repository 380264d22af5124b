"""Filters of the lists, beside those that Django has."""

from typing import Any, ClassVar, Final, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestrator.choices import JobEvent, JobStatus
from orchestrator.limits import INT32_LARGEST, INT32_SMALLEST
from orchestrator.models import Job

#: Values that a filter offers, at most; others can be typed in.
OFFERED: Final = 12
#: Running jobs whose workers are offered.
WORKERS_OF: Final = 500

# Each of them is found by a step into the index, however many jobs share it.
_PRIORITIES: Final = """
    WITH RECURSIVE found (priority) AS (
        SELECT (SELECT max(priority) FROM jobs)
        UNION ALL
        SELECT (SELECT max(priority) FROM jobs WHERE priority < found.priority)
        FROM found WHERE found.priority IS NOT NULL
    )
    SELECT priority FROM found WHERE priority IS NOT NULL LIMIT %s
"""


class TypedFilter(admin.SimpleListFilter):
    """Rows of one value: of those offered, or typed in."""

    template = "admin/typed_filter.html"
    #: Attributes of the box that values are typed into.
    box: ClassVar[dict[str, Any]] = {"type": "text"}

    def __init__(self, request: HttpRequest, params: Any, *args: Any) -> None:
        """Take the value from the parameters; nothing typed in is no value."""
        super().__init__(request, params, *args)
        self.others: list[tuple[str, str]] = []
        if not self.value():
            self.used_parameters.clear()

    def has_output(self) -> bool:
        """Tell that it is shown, values to offer or not."""
        return True

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        """Return the values that are offered, the one in use among them."""
        offered = self.offered()
        chosen = self.value()
        known = {value for value, _ in offered}
        return [*offered, *([(chosen, chosen)] if chosen and chosen not in known else [])]

    def offered(self) -> list[tuple[str, str]]:
        """Return the values that are offered, with what they are called."""
        raise NotImplementedError

    def choices(self, changelist: ChangeList) -> Any:
        """Return what the template shows; note what the form has to send along."""
        self.others = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name != self.parameter_name
            for value in values
        ]
        return super().choices(changelist)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the value."""
        return queryset.filter(**{self.parameter_name or "": self.value()})


class PriorityFilter(TypedFilter):
    """Jobs of one priority."""

    title = "priority"
    parameter_name = "priority"
    box: ClassVar = {"type": "number", "min": INT32_SMALLEST, "max": INT32_LARGEST}

    def offered(self) -> list[tuple[str, str]]:
        """Return the highest priorities that jobs have."""
        with connection.cursor() as cursor:
            cursor.execute(_PRIORITIES, [OFFERED])
            return [(str(priority), str(priority)) for (priority,) in cursor.fetchall()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Return the jobs of the priority.

        Raises:
            IncorrectLookupParameters: for what is no priority.
        """
        text = self.value() or ""
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()) or not INT32_SMALLEST <= int(text) <= INT32_LARGEST:
            raise IncorrectLookupParameters
        return queryset.filter(priority=int(text))


class WorkerFilter(TypedFilter):
    """Jobs by the worker that has them, or had them last."""

    title = "worker"
    parameter_name = "worker"

    def offered(self) -> list[tuple[str, str]]:
        """Return workers that have a job now."""
        running = Job.objects.filter(status=JobStatus.RUNNING).order_by()
        found = {worker for worker in running.values_list("worker", flat=True)[:WORKERS_OF] if worker}
        return [(worker, worker) for worker in sorted(found)[:OFFERED]]


class TypeFilter(TypedFilter):
    """Events of one type: of those that the service itself writes, or any other."""

    title = "type"
    parameter_name = "type"

    def offered(self) -> list[tuple[str, str]]:
        """Return the types that the service writes."""
        return [(event.value, event.label) for event in JobEvent]


class ActiveFilter(admin.BooleanFieldListFilter):
    """Users who may sign in, or those who may not."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the users of the state that was asked for."""
        # Django writes active=True as a bare column, which no index of SQLite serves.
        if self.lookup_val in ("0", "1"):
            return queryset.filter(active__in=[self.lookup_val == "1"])
        return cast("QuerySet[Any]", super().queryset(request, queryset))
