"""Bar charts over time: the templates draw them as SVG, with the values on hover and in a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitoring.formatting import human_duration
from orchestrator.console.html_formatting import NOTHING
from orchestrator.console.rollups import Bucket

#: The height of the largest bar, in SVG units.
HEIGHT: Final = 120
#: Keeps a single failure beside thousands visible.
_MIN_BAR_HEIGHT: Final = 1.5


@dataclass(frozen=True)
class Bar:
    """A bucket's value: the bucket's time span, the formatted value, and the height in SVG units."""

    label: str
    text: str
    height: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A bar chart.

    Args:
        name: the name in ids and CSS classes.
        title: the heading.
        unit: what the values count or measure.
        summary: the key figure, beside the heading.
        peak: the largest value, formatted.
        bars: one for each bucket.
        first, last: labels of the axis's ends.
    """

    name: str
    title: str
    unit: str
    summary: str
    peak: str
    bars: tuple[Bar, ...]
    first: str
    last: str

    @property
    def is_empty(self) -> bool:
        """Return whether the chart has no bar."""
        return not any(bar.height for bar in self.bars)


def charts(buckets: tuple[Bucket, ...]) -> tuple[Chart, ...]:
    """Return the charts of throughput, failures and waiting time over some buckets."""
    completed, failed = [bucket.completed for bucket in buckets], [bucket.failed for bucket in buckets]
    ended = sum(completed) + sum(failed)
    share = f" · {sum(failed) / ended:.1%} of finished jobs" if ended else ""
    waits = [bucket.wait for bucket in buckets]
    longest = max((wait for wait in waits if wait is not None), default=None)
    return (
        _chart(
            buckets,
            completed,
            name="throughput",
            title="Throughput",
            unit="jobs completed",
            summary=f"{sum(completed):,} completed",
        ),
        _chart(
            buckets,
            failed,
            name="failures",
            title="Failures",
            unit="jobs failed",
            summary=f"{sum(failed):,} failed{share}",
        ),
        _chart(
            buckets,
            waits,
            human_duration,
            name="wait",
            title="Queue age",
            unit="median wait before start",
            summary="no job started" if longest is None else f"up to {human_duration(longest)}",
        ),
    )


def _chart(
    buckets: Sequence[Bucket],
    values: Sequence[float | None],
    text: Callable[[float], str] = "{:,.0f}".format,
    **labels: str,
) -> Chart:
    peak = max((value for value in values if value is not None), default=0)
    bars = (
        Bar(
            _label(bucket),
            NOTHING if value is None else text(value),
            round(max(HEIGHT * value / peak, _MIN_BAR_HEIGHT), 2) if value else 0,
        )
        for bucket, value in zip(buckets, values, strict=True)
    )
    first, last = _axis_labels(buckets[0].start, buckets[-1].end)
    return Chart(peak=text(peak), bars=tuple(bars), first=first, last=last, **labels)


def _label(bucket: Bucket) -> str:
    day = f"{bucket.start:%a %d %b} " if bucket.minutes >= 60 else ""  # noqa: PLR2004 - an hour
    return f"{day}{bucket.start:%H:%M} to {bucket.end:%H:%M}"


def _axis_labels(start: datetime, end: datetime) -> tuple[str, str]:
    form = "%d %b %H:%M" if (end - start).days else "%H:%M"
    return f"{start:{form}}", f"{end:{form}}"
