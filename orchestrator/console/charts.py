"""Charts as geometry: the templates draw them as SVG, with the values on hover and in a table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from monitoring.formatting import human_duration
from orchestrator.console.html_formatting import NOTHING
from orchestrator.console.rollups import Bucket

#: The size of a chart in SVG units; the page stretches it to the available width.
WIDTH: Final = 600
HEIGHT: Final = 120
#: The part of a bucket's width that stays empty.
_GAP: Final = 0.18
#: Keeps a single failure beside thousands visible.
_MIN_BAR_HEIGHT: Final = 1.5


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bucket's value as a bar.

    Args:
        label: the bucket's time span.
        text: the formatted value.
        x, y, width, height: the bar, in SVG units.
        left, step: left edge and width of the bucket, the gap included.
    """

    label: str
    text: str
    x: float
    y: float
    width: float
    height: float
    left: float
    step: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A bar chart over time.

    Args:
        name: the name in ids and CSS classes.
        title: the heading.
        unit: what the values count or measure.
        summary: the key figure, beside the heading.
        peak: the largest value, formatted.
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
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        """Return whether the chart has no bar."""
        return not any(bar.height for bar in self.bars)


def charts(buckets: tuple[Bucket, ...]) -> tuple[Chart, ...]:
    """Return the charts of throughput, failures and waiting time over some buckets."""
    done, failed = sum(bucket.completed for bucket in buckets), sum(bucket.failed for bucket in buckets)
    share = f" · {failed / (done + failed):.1%} of finished jobs" if done + failed else ""
    waits = [bucket.wait for bucket in buckets if bucket.wait is not None]
    longest = f"up to {human_duration(max(waits))}" if waits else "no job started"
    throughput = _Series("throughput", "Throughput", "jobs completed", attrgetter("completed"))
    failures = _Series("failures", "Failures", "jobs failed", attrgetter("failed"))
    wait = _Series("wait", "Queue age", "median wait before start", attrgetter("wait"), human_duration)
    return (
        throughput.chart(f"{done:,} completed", buckets),
        failures.chart(f"{failed:,} failed{share}", buckets),
        wait.chart(longest, buckets),
    )


def _grouped(value: float) -> str:
    return f"{value:,.0f}"


@dataclass(frozen=True)
class _Series:
    """What a chart shows of each bucket, and how its values are formatted."""

    name: str
    title: str
    unit: str
    value: Callable[[Bucket], float | None]
    text: Callable[[float], str] = _grouped

    def chart(self, summary: str, buckets: tuple[Bucket, ...]) -> Chart:
        values = [self.value(bucket) for bucket in buckets]
        peak = max((known for known in values if known is not None), default=0)
        return Chart(
            name=self.name,
            title=self.title,
            unit=self.unit,
            summary=summary,
            peak=self.text(peak),
            bars=tuple(_bars(list(zip(map(_label, buckets), values, strict=True)), peak, self.text)),
            first=_axis_label(buckets[0].start, buckets),
            last=_axis_label(buckets[-1].end, buckets),
        )


def _bars(
    values: Sequence[tuple[str, float | None]], peak: float, text: Callable[[float], str]
) -> Iterator[Bar]:
    step = WIDTH / len(values)
    for index, (label, value) in enumerate(values):
        height = max(HEIGHT * value / peak, _MIN_BAR_HEIGHT) if value else 0
        left = index * step
        yield Bar(
            label=label,
            text=NOTHING if value is None else text(value),
            x=round(left + step * _GAP / 2, 2),
            y=round(HEIGHT - height, 2),
            width=round(step * (1 - _GAP), 2),
            height=round(height, 2),
            left=round(left, 2),
            step=round(step, 2),
        )


def _label(bucket: Bucket) -> str:
    day = f"{bucket.start:%a %d %b} " if bucket.minutes >= 60 else ""  # noqa: PLR2004 - an hour
    return f"{day}{bucket.start:%H:%M} to {bucket.end:%H:%M}"


def _axis_label(value: datetime, buckets: tuple[Bucket, ...]) -> str:
    days = (buckets[-1].end - buckets[0].start).days
    return f"{value:%d %b %H:%M}" if days else f"{value:%H:%M}"
