"""The files in which processes publish their metrics."""

import errno
import os
from pathlib import Path

import pytest
from django.conf import LazySettings
from prometheus_client.mmap_dict import MmapedDict

from monitoring import prometheus
from monitoring.metrics_file import MetricsFile

pytestmark = pytest.mark.engine_neutral


def read(file: Path) -> dict[str, float]:
    return {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(str(file))}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "counter_1.db"


def test_the_library_reads_what_was_written(file: Path):
    metrics = MetricsFile(str(file))
    expected = {f"key{'é' * length}": float(length) for length in range(20)}
    for key, value in expected.items():
        metrics.write_value(key, value, 0)
    assert metrics.read_value("key") == (0, 0)
    assert read(file) == expected


def test_a_process_takes_over_what_another_one_with_its_id_left(file: Path):
    left = MetricsFile(str(file))
    left.write_value("a", 3, 0)
    left.close()
    metrics = MetricsFile(str(file))
    assert metrics.read_value("a") == (3, 0)
    metrics.write_value("a", 4, 0)
    assert read(file) == {"a": 4}


def test_a_file_that_another_process_removes_meanwhile_is_left_out(tmp_path: Path, settings: LazySettings):
    settings.METRICS_DIR = tmp_path
    (tmp_path / f"gauge_liveall_{os.getpid()}.db").symlink_to(tmp_path / "removed")
    assert list(prometheus.collect()) == []


def test_values_are_kept_while_the_disk_is_full(file: Path, monkeypatch: pytest.MonkeyPatch):
    metrics = MetricsFile(str(file))
    metrics.write_value("before", 1, 0)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    metrics.write_value("before", 2, 0)
    metrics.write_value("meanwhile", 3, 0)
    assert read(file) == {"before": 1}

    monkeypatch.undo()
    metrics.write_value("after", 4, 0)
    assert read(file) == {"before": 2, "meanwhile": 3, "after": 4}


def test_a_folder_that_is_missing_is_no_error(file: Path):
    folder = file.parent / "new"
    metrics = MetricsFile(str(folder / file.name))
    metrics.write_value("a", 1, 0)
    folder.mkdir()
    metrics.write_value("a", 2, 0)
    assert read(folder / file.name) == {"a": 2}
