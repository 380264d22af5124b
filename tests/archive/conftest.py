"""Fixtures for tests of the archive."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from orchestrator.archive import batches, parquet_files, stored_rows


@pytest.fixture
def archive_dir(settings: LazySettings, tmp_path: Path) -> Path:
    """The folder of this test's archive, which does not exist yet."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path / "archive"


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of few rows, so that a run has several, and several transactions in each."""
    monkeypatch.setattr(batches, "BATCH_ROWS", 50)
    monkeypatch.setattr(batches, "CHUNK_ROWS", 10)
    monkeypatch.setattr(parquet_files, "CHUNK_ROWS", 10)
    monkeypatch.setattr(batches, "_JOBS_PAGE", 20)
    monkeypatch.setattr(stored_rows, "PAGE_ROWS", 20)


@pytest.fixture
def command() -> Callable[..., Any]:
    """A function that runs a command with ``--json`` and returns its document."""

    def run(name: str, *arguments: str) -> Any:
        out = StringIO()
        call_command(name, *arguments, "--json", stdout=out)
        return json.loads(out.getvalue())

    return run


@pytest.fixture
def script(database_url: str, archive_dir: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs ``python -m tests.archive.<name> arguments`` on this test's database."""

    def run(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"tests.archive.{name}", *map(str, arguments)],
            env={**os.environ, "DATABASE_URL": database_url, "ARCHIVE_DIR": str(archive_dir)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
