"""Which index serves the filters and the order of a list: read off the model's ``Meta.indexes``.

An index serves an order when its columns are some columns that filters fix to one value, followed by the
columns of the order. If several indexes serve the order, the list uses the one that serves most filters; if
two serve the same number, the one that serves the filter declared first. The other filters are residual: a
bounded scan applies them to the rows that the index gives.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Index, Q

from monitoring.plans import PRIMARY_KEY
from orchestrator.listing.definition import ListDefinition, Order
from orchestrator.listing.filters import Filter


@dataclass(frozen=True)
class AccessPath:
    """A way to a list's rows.

    Args:
        index: the index's name.
        served: the filters that the index serves.
        columns: the columns of the order, without those that a filter fixes to one value.
    """

    index: str
    served: tuple[str, ...]
    columns: tuple[str, ...]


def access_path(definition: ListDefinition, names: Collection[str], order: Order) -> AccessPath:
    """Return the best access path for the filters in use and an order that is served with them.

    Raises:
        ImproperlyConfigured: when the model has no index for the order.
    """
    return _best_path(definition, frozenset(names), order)


@lru_cache(maxsize=4096)
def _best_path(definition: ListDefinition, names: frozenset[str], order: Order) -> AccessPath:
    used = [each for each in definition.filters if each.name in names]
    fixed = {each.column for each in used if each.is_equality}
    columns = tuple(column for column in order.columns if column == "id" or column not in fixed)
    for column, index in _unique_indexes(definition):
        if column in fixed:  # one row at most: every filter and order is served
            return AccessPath(index, tuple(sorted(names)), columns)
    paths = [
        AccessPath(index.name, _served(index, used, len(columns) - 1), columns)
        for index in definition.model._meta.indexes
        if _serves(index, fixed, columns[:-1])
    ]
    if not paths:
        raise ImproperlyConfigured(f"No index of {definition.name} serves the order {order.name}")
    return max(paths, key=lambda path: (len(path.served), [each.name in path.served for each in used]))


def _serves(index: Index, fixed: set[str], ordered: tuple[str, ...]) -> bool:
    """Return whether an index's columns are some of the fixed ones, followed by the ordered ones."""
    if index.expressions or any(sign for _, sign in index.fields_orders):
        return False
    leading, last = _split(index, len(ordered))
    is_whole = index.condition in (None, *(Q(**{f"{column}__isnull": False}) for column in leading))
    return is_whole and last == ordered and set(leading) <= fixed


def _served(index: Index, used: list[Filter], ordered: int) -> tuple[str, ...]:
    """Return the filters that an index serves: of its leading columns, and a range of the next one."""
    leading, last = _split(index, ordered)
    return tuple(
        each.name
        for each in used
        if each.column in leading or (each.column in last[:1] and not each.is_equality)
    )


def _split(index: Index, ordered: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    cut = len(index.fields) - ordered
    return tuple(index.fields[:cut]), tuple(index.fields[cut:])


def _unique_indexes(definition: ListDefinition) -> Iterator[tuple[str, str]]:
    """Yield the columns that are unique by themselves, each with its index."""
    yield "id", PRIMARY_KEY
    unique = [tuple(each.fields) for each in definition.model._meta.total_unique_constraints]
    for index in definition.model._meta.indexes:
        if tuple(index.fields) in unique and len(index.fields) == 1:
            yield index.fields[0], index.name
