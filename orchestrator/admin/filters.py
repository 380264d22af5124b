"""The filters beside a list, made from the list's declaration."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import Model
from django.utils import timezone
from django.utils.text import capfirst

from orchestrator.listing import Exact, OneOf, Period, Range
from orchestrator.listing.filters import Filter

if TYPE_CHECKING:
    from orchestrator.admin.change_list import KeysetChangeList

#: Values that a filter offers at most; others can be typed in.
MAX_OFFERED: Final = 12

#: Query parameters, and what a person reads.
Choice = tuple[Mapping[str, str], str]


class SidebarFilter:
    """A filter as Django's templates show it.

    Args:
        filter_: the declared filter.
        changelist: the list, whose conditions are known.
    """

    def __init__(self, filter_: Filter, changelist: "KeysetChangeList") -> None:
        self.filter, self.changelist = filter_, changelist
        self.title = filter_.name.removesuffix("_at").replace("_", " ")
        value = changelist.selection.conditions.get(filter_.name)
        self.used = {} if value is None else filter_.texts(value)

    @property
    def template(self) -> str:
        """The template; an exact value can be typed in."""
        return "admin/typed_filter.html" if isinstance(self.filter, Exact) else "admin/filter.html"

    @property
    def is_active(self) -> bool:
        """Whether the list is filtered by it."""
        return bool(self.used)

    @property
    def input_type(self) -> str:
        """The type of the box that values are typed into."""
        return "number" if self.filter.schema["type"] == "integer" else "text"

    @property
    def other_parameters(self) -> list[tuple[str, str]]:
        """The query parameters that the form of this filter has to repeat."""
        return [
            (name, value)
            for name, values in self.changelist.filter_params.items()
            if name not in self.filter.parameters
            for value in values
        ]

    def choices(self, changelist: "KeysetChangeList") -> Iterator[dict[str, Any]]:
        """Yield what the template shows of each choice."""
        offered = [({}, "All"), *_offered(self.filter, changelist.model)]
        if self.used and self.used not in [texts for texts, _ in offered]:
            offered.append((self.used, " – ".join(self.used.values())))  # noqa: RUF001 - a dash
        for texts, label in offered:
            query_string = changelist.get_query_string(dict(texts), remove=list(self.filter.parameters))
            yield {"selected": texts == self.used, "query_string": query_string, "display": label}


def _offered(filter_: Filter, model: type[Model]) -> list[Choice]:
    """Return the values that a filter offers."""
    if isinstance(filter_, OneOf):
        return [({filter_.name: text}, capfirst(label)) for text, label in filter_.labels.items()]
    if isinstance(filter_, Range):
        return [(filter_.texts(period), label) for label, period in _periods()]
    if isinstance(filter_, Exact) and _is_indexed(model, filter_):
        return [({filter_.name: str(value)}, str(value)) for value in _stored_values(model, filter_)]
    return []


def _periods() -> Iterator[tuple[str, Period]]:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    yield "Today", Period(today)
    yield "Past 7 days", Period(today - timedelta(days=7))
    yield "This month", Period(today.replace(day=1))
    yield "This year", Period(today.replace(month=1, day=1))


def _is_indexed(model: type[Model], filter_: Exact) -> bool:
    leading = {index.fields[0] for index in model._meta.indexes if index.fields}
    return filter_.value_type in (str, int) and filter_.column in leading


def _stored_values(model: type[Model], filter_: Exact) -> list[Any]:
    """Return some values of a column, each found by one step into its index: numbers from the highest."""
    quoted = connection.ops.quote_name
    table, column = quoted(model._meta.db_table), quoted(filter_.column)
    edge, beyond = ("max", "<") if filter_.value_type is int else ("min", ">")
    sql = f"""
        WITH RECURSIVE found (value) AS (
            SELECT (SELECT {edge}({column}) FROM {table} WHERE {column} IS NOT NULL)
            UNION ALL
            SELECT (SELECT {edge}({column}) FROM {table} WHERE {column} {beyond} found.value)
            FROM found WHERE found.value IS NOT NULL
        )
        SELECT value FROM found WHERE value IS NOT NULL LIMIT %s
    """  # noqa: S608 - names of the model's
    with connection.cursor() as cursor:
        cursor.execute(sql, [MAX_OFFERED])
        return [value for (value,) in cursor.fetchall()]
