"""What a suite found, and how it is shown."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.load import Load


@dataclass(frozen=True)
class Sample:
    """The same thing measured in several rounds."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """Return the middle of the values."""
        return statistics.median(self.values)

    def over(self, other: "Sample") -> "Sample":
        """Return the ratio to what was measured next to each value, in the same round."""
        return Sample([one / another for one, another in zip(self.values, other.values, strict=True)])

    def spread(self) -> str:
        """Return the smallest and the largest value, as people read them."""
        return f"{number(min(self.values))} to {number(max(self.values))}"


@dataclass(frozen=True)
class Goal:
    """A figure to reach.

    Args:
        name: of what.
        found: the figure.
        bound: what it has to be.
        at_most: whether the bound is the largest that will do, not the smallest.
        spread: the smallest and the largest of the figures that ``found`` is the median of.
    """

    name: str
    found: float
    bound: float
    at_most: bool = False
    spread: str = ""

    @classmethod
    def of(cls, name: str, figures: Sample, bound: float) -> "Goal":
        """Return the goal that the median of some figures is at least ``bound``."""
        return cls(name, figures.median, bound, spread=figures.spread())

    @property
    def reached(self) -> bool:
        """Tell whether it is."""
        return self.found <= self.bound if self.at_most else self.found >= self.bound

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        bound = f"{'at most' if self.at_most else 'at least'} {self.bound:g}"
        spread = f" ({self.spread})" if self.spread else ""
        return f"- {self.name}: {number(self.found)}{spread}, {bound}: {verdict}"


@dataclass(frozen=True)
class Report:
    """What a suite found: a table, the figures to reach, and all that was measured."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal] = ()
    measured: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join([self.title, "", *_table(self.columns, self.rows), "", *map(str, self.goals)])

    def document(self) -> dict[str, Any]:
        """Return the report for a JSON file."""
        return {**asdict(self), "goals": [{**asdict(goal), "reached": goal.reached} for goal in self.goals]}


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"


def processor(loads: Sequence[Load]) -> str:
    """Return the median of the processor time of a request, in ms."""
    known = [load.processor for load in loads if load.processor is not None]
    return number(Sample(known).median) if known else "unknown"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table as Markdown has them."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for position, row in enumerate([columns, *rows]):
        cells = [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"| {' | '.join(cells)} |"
        if position == 0:
            yield f"| {' | '.join('-' * width for width in widths)} |"
