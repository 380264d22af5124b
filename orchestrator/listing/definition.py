"""What a list offers: its filters, its orders, and which of them go together.

The rules, which follow from "one index serves the filters and the order":

- a range of time and a prefix are served in order of their own column only (``Filter.orders_by``); so two of
  them on different columns are not served together;
- a column that may be NULL gives an order only where a range on it leaves the NULLs out;
- a filter that is declared ``alone`` is not combined with others.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, combinations, permutations
from typing import Any

from django.db.models import Model, Q

from orchestrator.listing.errors import InvalidQuery, invalid_value
from orchestrator.listing.filters import Filter, Range

#: Values by the names of their filters, as the filters read them.
Conditions = Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """An order by a column, then perhaps a second one, last the id: all ascending or all descending.

    Args:
        name: the column, with ``-`` for descending; the value of ``ordering``.
        then: the second column.
        api: whether the API offers it.
    """

    name: str
    then: str = ""
    api: bool = True

    @property
    def column(self) -> str:
        """The first column."""
        return self.name.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the columns descend."""
        return self.name.startswith("-")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, without signs."""
        return tuple(column for column in (self.column, self.then, "id") if column)

    def reversed(self) -> "Order":
        """Return the order from its other end."""
        return replace(self, name=self.column if self.descending else f"-{self.column}")


@dataclass(frozen=True, eq=False)
class ListDefinition:
    """A list of a model's rows, with the filters and orders that it serves.

    Args:
        model: the model.
        orders: the first one that goes with the filters is the default.
        filters: those that narrow a list most come first: of two indexes that serve as many filters, the one
            that serves the earlier filter is used.
        deferred: columns that the console's list does not show and need not read.
    """

    model: type[Model]
    orders: tuple[Order, ...]
    filters: tuple[Filter, ...]
    deferred: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the table."""
        return str(self.model._meta.db_table)

    @cached_property
    def by_name(self) -> Mapping[str, Filter]:
        """The filters by name."""
        return {filter_.name: filter_ for filter_ in self.filters}

    @cached_property
    def api_filters(self) -> tuple[Filter, ...]:
        """The filters that the API offers."""
        return tuple(filter_ for filter_ in self.filters if filter_.api)

    @cached_property
    def console_filters(self) -> tuple[Filter, ...]:
        """The filters that the console offers."""
        return tuple(filter_ for filter_ in self.filters if filter_.console)

    @cached_property
    def api_orders(self) -> tuple[Order, ...]:
        """The orders that the API offers."""
        return tuple(order for order in self.orders if order.api)

    @cached_property
    def console_orders(self) -> tuple[Order, ...]:
        """The orders that the console offers: each index can be read from either end."""
        both = chain.from_iterable((order, order.reversed()) for order in self.orders)
        return tuple({order.name: order for order in both}.values())

    def read(self, parameters: Mapping[str, str], filters: Collection[Filter]) -> dict[str, Any]:
        """Return the conditions in query parameters; those of other filters are ignored.

        Raises:
            InvalidQuery: when a value is not allowed, or filters are not served together.
        """
        values = ((filter_.name, filter_.read(parameters)) for filter_ in filters)
        conditions = {name: value for name, value in values if value is not None}
        self.require_combination(conditions)
        return conditions

    def require_combination(self, conditions: Conditions) -> None:
        """Raise ``InvalidQuery``, which names the parameters, unless the filters are served together."""
        used = [self.by_name[name] for name in conditions]
        for one, other in permutations(used, 2):
            if one.alone or not _share_an_order(one, other):
                parameter = next(iter(one.texts(conditions[one.name])))
                others = " and ".join(other.texts(conditions[other.name]))
                raise InvalidQuery(parameter, f"Not served together with {others}. Allowed: one of them.")

    def orders_with(self, names: Collection[str], orders: Collection[Order]) -> tuple[Order, ...]:
        """Return those of ``orders`` that are served with the filters ``names``, the default first."""
        used = [self.by_name[name] for name in names]
        ranged = {filter_.column for filter_ in used if isinstance(filter_, Range)}
        return tuple(
            order
            for order in orders
            if all(order.column in filter_.orders_by for filter_ in used if filter_.orders_by)
            and (order.column in ranged or not self._may_be_null(order.column))
        )

    def order(self, name: str, conditions: Conditions, orders: Collection[Order]) -> Order:
        """Return the order called ``name``, or the default if it is "". ``orders`` are those on offer.

        Raises:
            InvalidQuery: when it is not served with the filters.
        """
        served = {order.name: order for order in self.orders_with(conditions, orders)}
        if not name:
            return next(iter(served.values()))
        if name in served:
            return served[name]
        parameters = ", ".join(text for text, _ in self._parameters(conditions))
        beside = f" (with {parameters})" if parameters else ""
        raise invalid_value("ordering", name, f"{', '.join(served)}{beside}")

    def condition(self, conditions: Conditions, names: Collection[str] | None = None) -> Q:
        """Return the condition of all filters, or only of those in ``names``."""
        chosen = conditions if names is None else [name for name in conditions if name in names]
        return Q(*(self.by_name[name].condition(conditions[name]) for name in chosen))

    def scope(self, conditions: Conditions, order: Order) -> list[Any]:
        """Return what a cursor is bound to: the list, its filters and its order."""
        return [self.name, order.name, sorted(self._parameters(conditions))]

    def combinations(self, filters: Collection[Filter]) -> Iterator[tuple[str, ...]]:
        """Yield the names of each combination of filters that is served."""
        samples = [(filter_.name, filter_.sample_value) for filter_ in filters]
        for chosen in chain.from_iterable(combinations(samples, size) for size in range(len(samples) + 1)):
            with suppress(InvalidQuery):
                self.require_combination(dict(chosen))
                yield tuple(name for name, _ in chosen)

    def _parameters(self, conditions: Conditions) -> Iterator[tuple[str, str]]:
        for name, value in conditions.items():
            yield from self.by_name[name].texts(value).items()

    def _may_be_null(self, column: str) -> bool:
        return bool(self.model._meta.get_field(column).null)


def _share_an_order(one: Filter, other: Filter) -> bool:
    return not (one.orders_by and other.orders_by) or bool({*one.orders_by} & {*other.orders_by})
