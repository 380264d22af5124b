"""A whole pytest run: which test runs on which engine, and that nothing is left afterwards."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.polling import wait_until

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

PROJECT = Path(__file__).resolve().parents[2]

TESTS_OF_ALL_KINDS = """
import os
import pytest
from django.db import connection

VENDORS = {"sqlite": "sqlite", "postgres": "postgresql"}

@pytest.mark.parametrize("number", [1, 2])
def test_both(engine, number):
    assert connection.vendor == VENDORS[engine]

@pytest.mark.sqlite
def test_sqlite():
    assert connection.vendor == "sqlite"

@pytest.mark.postgres
def test_postgres():
    assert connection.vendor == "postgresql"

@pytest.mark.one_engine
def test_one_engine():
    assert connection.vendor == "sqlite"

@pytest.mark.engine_neutral
@pytest.mark.parametrize("word", ["postgres", "other"])
def test_neutral(word):
    pass
"""
ON_SQLITE = {"test_both[sqlite-1]", "test_both[sqlite-2]", "test_sqlite[sqlite]", "test_one_engine[sqlite]"}
ON_POSTGRES = {"test_both[postgres-1]", "test_both[postgres-2]", "test_postgres[postgres]"}
NEUTRAL = {"test_neutral[postgres]", "test_neutral[other]"}

CRASHING_TEST = """
@pytest.mark.postgres
def test_crash():
    os._exit(1)

@pytest.mark.postgres
@pytest.mark.parametrize("number", range(3))
def test_after(number):
    assert connection.vendor == "postgresql"
"""
TESTS_AFTER_CRASH = {f"test_after[postgres-{number}]" for number in range(3)}

WAITING_TESTS = """
import os
import signal
from pathlib import Path

def test_that_waits(engine):
    Path(os.environ["READY_FOLDER"], engine).touch()
    signal.pause()
"""


BROWSER_TEST = """
import pytest
from tests import chromium

@pytest.mark.engine_neutral
def test_browser():
    chromium.executable()
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for the run's temporary files, with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="k") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def start(
    tests: str, folder: Path, temporary: Path, *arguments: str, **variables: str
) -> "subprocess.Popen[str]":
    """Start pytest on one test file, as a shell with `variables` would."""
    file = folder / "test_inner.py"
    file.write_text(tests)
    outer = ("PYTEST_", "KYROS_TEST_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    settings = "--ds=tests.infrastructure.bare_settings"
    plugins = ["-p", "no:cacheprovider", "-p", "no:_hypothesis_pytestplugin"]
    options = ["-c", "pytest.ini", settings, *plugins, "-rA", *arguments]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, str(file)],
        cwd=PROJECT,
        env={**environment, "TMPDIR": str(temporary), "READY_FOLDER": str(folder), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def passed(output: str) -> list[str]:
    """Return the names of the passed tests in the output."""
    return re.findall(r"^PASSED \S*::(\S+)", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "ci", "expected"),
    [
        (["-n", "1", "--engine", "sqlite"], "", ON_SQLITE | NEUTRAL),
        (["--engine", "postgres"], "true", ON_POSTGRES | NEUTRAL),
    ],
    ids=["one worker", "alone"],
)
def test_each_test_runs_once_on_its_engine_and_browser_tests_need_chromium(
    arguments: list[str], ci: str, expected: set[str], tmp_path: Path, temporary: Path
) -> None:
    tests = TESTS_OF_ALL_KINDS + BROWSER_TEST
    run = start(tests, tmp_path, temporary, *arguments, PATH=str(tmp_path), CI=ci)
    output, _ = run.communicate()
    assert sorted(passed(output)) == sorted(expected), output
    assert not list(temporary.glob("kyros-tests-*"))
    # Without Chromium the browser test fails in CI; elsewhere it is skipped with a hint.
    assert run.returncode == bool(ci)
    *_, hint, last = output.splitlines()
    assert ("1 failed" if ci else "1 skipped") in last
    assert hint.startswith("1 browser test was skipped: install Chromium") is not bool(ci), output


def test_parallel_run_uses_both_engines_and_replaces_a_crashed_worker(
    tmp_path: Path, temporary: Path
) -> None:
    run = start(TESTS_OF_ALL_KINDS + CRASHING_TEST, tmp_path, temporary, "-n", "2")
    output, _ = run.communicate()
    assert sorted(passed(output)) == sorted(ON_SQLITE | ON_POSTGRES | NEUTRAL | TESTS_AFTER_CRASH), output
    assert "1 failed" in output
    assert not list(temporary.glob("kyros-tests-*"))


def test_one_worker_for_two_engines_is_refused(tmp_path: Path, temporary: Path) -> None:
    run = start(TESTS_OF_ALL_KINDS, tmp_path, temporary, "-n", "1")
    output, _ = run.communicate()
    assert run.returncode != 0
    assert "use -n 2 or more" in output


def test_run_fails_with_the_reason_when_a_server_does_not_start(tmp_path: Path, temporary: Path) -> None:
    too_long = temporary / ("x" * 100)
    too_long.mkdir()
    run = start(TESTS_OF_ALL_KINDS, tmp_path, too_long, "-n", "2")
    output, _ = run.communicate()
    assert run.returncode != 0
    assert "The PostgreSQL server did not start" in output
    assert "too long" in output
    assert "passed" not in output


def test_killed_run_leaves_no_process_and_no_folder(tmp_path: Path, temporary: Path) -> None:
    run = start(WAITING_TESTS, tmp_path, temporary, "-n", "2")
    wait_until(
        lambda: {"sqlite", "postgres"} <= {path.name for path in tmp_path.iterdir()},
        what="start of both tests",
    )
    assert processes_of(temporary)
    run.kill()
    run.communicate()
    wait_until(lambda: not processes_of(temporary), what="end of the servers")
    wait_until(lambda: not list(temporary.glob("kyros-tests-*")), what="removal of the run's folder")


def processes_of(temporary: Path) -> list[psutil.Process]:
    """Return the processes of the run: they have its temporary folder in their environment."""

    def belongs(process: psutil.Process) -> bool:
        try:
            return process.environ().get("TMPDIR") == str(temporary)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    return [process for process in psutil.process_iter() if belongs(process)]


def test_test_ids_are_unique_and_hold_no_memory_address(request: pytest.FixtureRequest) -> None:
    # xdist itself checks that all workers collect the same ids.
    ids = [item.nodeid for item in request.session.items]
    assert len(ids) == len(set(ids))
    assert not [nodeid for nodeid in ids if re.search(r" at 0x[0-9a-f]{6,}", nodeid)]
