"""The values that the plan readers take and return."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

#: Our name for the index of a primary key; each engine has its own.
PRIMARY_KEY: Final = "primary key"

#: So few rows are sorted within a millisecond.
FEW_ROWS: Final = 1000


class Statement(NamedTuple):
    """SQL and parameters, as a cursor takes them."""

    sql: str
    parameters: Sequence[Any] = ()


class Sort(StrEnum):
    """The part of a query's order that the index does not provide."""

    NONE = "none"
    #: Only rows equal in all but the last column of the order are sorted.
    TIES = "ties"
    #: All rows are sorted after they were read; the planner expects few.
    FEW = "few"
    #: All rows are sorted after they were read.
    FULL = "full"


@dataclass(frozen=True)
class Reading:
    """How to read a plan.

    Args:
        analyze: run the query too, for its real time and rows.
        penalized: make the planner avoid full scans and sorts, which shows whether an index *can* serve the
            query; else read the planner's free choice. A small table is cheapest to read in full, so its free
            choice shows nothing.
        seconds: time limit for the query.
    """

    analyze: bool = False
    penalized: bool = False
    seconds: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a query.

    Args:
        indexes: indexes it reads the table by; those of partitions have their parent's name.
        conditions: columns whose conditions bound the range of the index that is read.
        full_scan: whether the table or an index is read without bounds, up to its end or the LIMIT.
        sort: the part of the order that the index does not provide.
        uses_disabled_node: whether the planner had to use a node that ``penalized`` disables.
        ms: milliseconds of the query if it was run, else of planning it.
        rows: rows that the query returned; None if it was not run.
        buffers: pages that it read; None if unknown.
    """

    indexes: tuple[str, ...]
    conditions: tuple[str, ...]
    full_scan: bool
    sort: Sort
    ms: float
    uses_disabled_node: bool = False
    rows: int | None = None
    buffers: int | None = None


#: Reads the plan of a statement.
Reader = Callable[[Statement, Reading], Plan]
