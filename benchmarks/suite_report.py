"""The result of a suite, and how it is printed."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.load import LoadResult


@dataclass(frozen=True)
class Sample:
    """One figure of a variant, measured once in every round."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """Return the median."""
        return statistics.median(self.values)

    def ratio_to(self, other: "Sample") -> "Sample":
        """Return the ratio of both values in each round."""
        return Sample([mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)])

    def spread(self) -> str:
        """Return the smallest and the largest value, formatted."""
        return f"{format_number(min(self.values))} to {format_number(max(self.values))}"


@dataclass(frozen=True)
class Goal:
    """A measured figure with the bound that it should keep.

    Args:
        name: what the figure is about.
        value: the figure.
        bound: the smallest value that meets the goal.
        at_most: whether the bound is the largest value instead.
        spread: the smallest and the largest value of the rounds, if ``value`` is their median.
    """

    name: str
    value: float
    bound: float
    at_most: bool = False
    spread: str = ""

    @classmethod
    def for_median(cls, name: str, sample: Sample, bound: float) -> "Goal":
        """Return the goal that a sample's median is at least ``bound``."""
        return cls(name, sample.median, bound, spread=sample.spread())

    @property
    def met(self) -> bool:
        """Return whether the value keeps the bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        verdict = "met" if self.met else "NOT MET"
        bound = f"{'at most' if self.at_most else 'at least'} {self.bound:g}"
        spread = f" ({self.spread})" if self.spread else ""
        return f"- {self.name}: {format_number(self.value)}{spread}, {bound}: {verdict}"


@dataclass(frozen=True)
class SuiteReport:
    """A suite's table, its goals, and all its measurements."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal] = ()
    measurements: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join([self.title, "", *_table(self.columns, self.rows), "", *map(str, self.goals)])

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return {**asdict(self), "goals": [{**asdict(goal), "met": goal.met} for goal in self.goals]}


def format_number(value: float) -> str:
    """Return a number with three significant digits, or as a whole number from 100 on."""
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"


def format_cpu(results: Sequence[LoadResult]) -> str:
    """Return the median processor time per request, in milliseconds."""
    known = [result.cpu_ms for result in results if result.cpu_ms is not None]
    return format_number(Sample(known).median) if known else "unknown"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for position, row in enumerate([columns, *rows]):
        cells = [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"| {' | '.join(cells)} |"
        if position == 0:
            yield f"| {' | '.join('-' * width for width in widths)} |"
