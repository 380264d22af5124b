"""Charts as plain geometry: the templates draw them as SVG, with the numbers on hover and in a table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitoring.formatting import human_duration
from orchestrator.console.rollups import Bucket

#: The units of a drawing; the page stretches it to the width it has.
WIDTH: Final = 600
HEIGHT: Final = 120
_GAP: Final = 0.18
#: A single failure among thousands can still be seen.
_LEAST: Final = 1.5


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A value over a bucket of time.

    Args:
        label: when it was.
        text: the value as people read it.
        x, y, width, height: the bar, in units of the drawing.
        left, step: where its place begins, and how wide that is with the gap.
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
    """Bars over time.

    Args:
        name: for ids and colours.
        title: what is shown.
        unit: what the values are.
        summary: the one figure that says most.
        peak: the largest value, as people read it.
        first, last: the ends of the time that is shown.
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
        """Tell whether there is nothing to see."""
        return not any(bar.height for bar in self.bars)


def charts(buckets: tuple[Bucket, ...]) -> tuple[Chart, ...]:
    """Return throughput, failures and waiting over some buckets of time."""
    done, failed = sum(bucket.completed for bucket in buckets), sum(bucket.failed for bucket in buckets)
    share = f" · {failed / (done + failed):.1%} of what ended" if done + failed else ""
    waits = [bucket.wait for bucket in buckets if bucket.wait is not None]
    longest = f"up to {human_duration(max(waits))}" if waits else "nothing was started"
    wait = "median wait before the start"
    return (
        _Drawn("throughput", "Throughput", "jobs completed", _completed).chart(
            f"{done:,} completed", buckets
        ),
        _Drawn("failures", "Failures", "jobs failed", _failed).chart(f"{failed:,} failed{share}", buckets),
        _Drawn("wait", "Queue age", wait, _wait, human_duration).chart(longest, buckets),
    )


def _whole(value: float) -> str:
    return f"{value:,.0f}"


@dataclass(frozen=True)
class _Drawn:
    """What a chart shows of each bucket, and how its values are read."""

    name: str
    title: str
    unit: str
    value: Callable[[Bucket], float | None]
    text: Callable[[float], str] = _whole

    def chart(self, summary: str, buckets: tuple[Bucket, ...]) -> Chart:
        """Return the chart of some buckets."""
        values = [self.value(bucket) for bucket in buckets]
        peak = max((known for known in values if known is not None), default=0)
        return Chart(
            name=self.name,
            title=self.title,
            unit=self.unit,
            summary=summary,
            peak=self.text(peak),
            bars=tuple(_bars(list(zip(map(_label, buckets), values, strict=True)), peak, self.text)),
            first=_moment(buckets[0].start, buckets),
            last=_moment(buckets[-1].end, buckets),
        )


def _bars(
    values: Sequence[tuple[str, float | None]], peak: float, text: Callable[[float], str]
) -> Iterator[Bar]:
    step = WIDTH / len(values)
    for index, (label, value) in enumerate(values):
        height = max(HEIGHT * value / peak, _LEAST) if value else 0
        left = index * step
        yield Bar(
            label=label,
            text="–" if value is None else text(value),  # noqa: RUF001 - a dash
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


def _moment(instant: datetime, buckets: tuple[Bucket, ...]) -> str:
    days = (buckets[-1].end - buckets[0].start).days
    return f"{instant:%d %b %H:%M}" if days else f"{instant:%H:%M}"


def _completed(bucket: Bucket) -> float:
    return bucket.completed


def _failed(bucket: Bucket) -> float:
    return bucket.failed


def _wait(bucket: Bucket) -> float | None:
    return bucket.wait
