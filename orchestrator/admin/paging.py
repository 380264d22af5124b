"""Pages of tables of any size."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.paginator import Paginator

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

    @cached_property
    def _counted(self) -> int:
        # In any order: a row is a row, and the engine may stop at the limit.
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: REACHABLE_ROWS + 1].count()
