"""Timestamps, sizes and durations as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitoring.formatting import human_bytes, human_duration, iso_timestamp

pytestmark = pytest.mark.engine_neutral


def test_a_timestamp_is_in_utc_with_microseconds():
    assert iso_timestamp(datetime(2026, 11, 23, 9, tzinfo=UTC)) == "2026-11-23T09:00:00.000000Z"
    east = timezone(timedelta(hours=2))
    assert iso_timestamp(datetime(2026, 11, 23, 9, 0, 0, 5, east)) == "2026-11-23T07:00:00.000005Z"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.0K"),
        (2.1 * 1024**2, "2.1M"),
        (3 * 1024**3, "3.0G"),
        (1024**5, "1024.0T"),
    ],
)
def test_bytes_have_a_unit(size: float, text: str):
    assert human_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.25, "0.2 s"),
        (59.96, "59.9 s"),
        (60, "1 min 0 s"),
        (299.8, "4 min 59 s"),
        (3600, "1 h 0 min"),
        (5400, "1 h 30 min"),
        (129_600, "1 d 12 h"),
        (86_400 * 400, "400 d 0 h"),
    ],
)
def test_a_duration_has_two_units(seconds: float, text: str):
    assert human_duration(seconds) == text
