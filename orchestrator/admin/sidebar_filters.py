"""The filters in a list's sidebar, made from the list's declaration."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.db.models import Model
from django.utils import timezone
from django.utils.text import capfirst

from orchestrator.listing import Exact, OneOf, Period, Range
from orchestrator.listing.filters import Filter

#: Values that a filter suggests at most; others can be typed in.
MAX_SUGGESTIONS: Final = 12

#: Query parameters, and their label.
Choice = tuple[Mapping[str, str], str]


class SidebarFilter:
    """A filter as Django's templates show it.

    Args:
        filter_: the declared filter.
        value: the value in use; None for none.
        query: all filter parameters in the URL.
    """

    def __init__(self, filter_: Filter, value: Any, query: Mapping[str, list[str]]) -> None:
        self.filter = filter_
        self.title = filter_.name.removesuffix("_at").replace("_", " ")
        self.used = {} if value is None else filter_.texts(value)
        # Exact values can be typed in; the form repeats the parameters of the other filters.
        self.template = "admin/typed_filter.html" if isinstance(filter_, Exact) else "admin/filter.html"
        self.input_type = "number" if filter_.schema["type"] == "integer" else "text"
        self.other_parameters = [
            (name, text) for name, texts in query.items() if name not in filter_.parameters for text in texts
        ]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Yield the template context of each choice."""
        choices = [({}, "All"), *_suggestions(self.filter, changelist.model)]
        if self.used and self.used not in [texts for texts, _ in choices]:
            choices.append((self.used, " – ".join(self.used.values())))  # noqa: RUF001 - a dash
        for texts, label in choices:
            query_string = changelist.get_query_string(dict(texts), remove=list(self.filter.parameters))
            yield {"selected": texts == self.used, "query_string": query_string, "display": label}


def _suggestions(filter_: Filter, model: type[Model]) -> list[Choice]:
    """Return the choices that a filter suggests."""
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
    """Return some distinct values of an indexed column, one index lookup each; numbers from the highest."""
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
        cursor.execute(sql, [MAX_SUGGESTIONS])
        return [value for (value,) in cursor.fetchall()]
