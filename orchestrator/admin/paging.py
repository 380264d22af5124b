"""Pages of tables of any size."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.paginator import Paginator
from django.db.models.lookups import Exact

from orchestrator import counts
from orchestrator.models import Job
from orchestrator.querysets import count_up_to

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Rows that a list in the admin leads to; whoever needs others narrows the list down.
REACHABLE_ROWS: Final = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the first rows, at a cost that does not depend on how many there are."""

    @cached_property
    def count(self) -> int:
        """How many rows the pages lead to."""
        return min(self._counted, REACHABLE_ROWS)

    @property
    def has_more(self) -> bool:
        """Whether there are rows that the pages do not lead to."""
        return self._counted > REACHABLE_ROWS

    @property
    def total(self) -> int | None:
        """How many rows there are, or None for more than were counted."""
        return self._counted if self._known is not None or not self.has_more else None

    @cached_property
    def _known(self) -> int | None:
        return kept_number(self._rows)

    @cached_property
    def _counted(self) -> int:
        if self._known is not None:
            return self._known
        return count_up_to(self._rows, REACHABLE_ROWS + 1)

    @property
    def _rows(self) -> "QuerySet[Any]":
        return cast("QuerySet[Any]", self.object_list)


def kept_number(rows: "QuerySet[Any]") -> int | None:
    """Return how many rows there are where that is kept: of a whole table, and of jobs of one status."""
    query, table = rows.query, rows.model._meta.db_table
    if query.is_sliced or query.distinct or query.combinator or table not in counts.TABLES:
        return None
    if not query.where.children:
        return counts.rows_of(table)
    condition = query.where.children[0]
    alone = len(query.where.children) == 1 and not query.where.negated
    if rows.model is Job and alone and isinstance(condition, Exact) and _is_status(condition):
        return counts.jobs_by_status().get(str(condition.rhs), 0)
    return None


def _is_status(condition: Any) -> bool:
    column = getattr(condition.lhs, "target", None)
    return column is Job._meta.get_field("status") and isinstance(condition.rhs, str)
