"""Finds Chromium for the browser tests. As a pytest plugin, it reports tests that were skipped without it."""

import os
import shutil
from collections.abc import Generator

import pytest

PROGRAMS = ("chromium", "chromium-browser")
MISSING = "Chromium is not installed"


def executable() -> str:
    """Return Chromium's path; without it skip the test, or fail it if the variable CI is "true"."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.fail(MISSING) if os.environ.get("CI") == "true" else pytest.skip(MISSING)
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Print one line about the skipped browser tests, after pytest's own summary."""
    yield
    reports = terminalreporter.getreports("skipped")
    if skipped := sum(MISSING in str(report.longrepr) for report in reports):
        tests = "1 browser test was" if skipped == 1 else f"{skipped} browser tests were"
        terminalreporter.write_line(
            f"{tests} skipped: install Chromium (Debian: apt-get install chromium) to run them."
        )
