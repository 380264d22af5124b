"""What the tests of the benchmarks have in common."""

import gc

import pytest


@pytest.fixture(autouse=True)
def _alone_in_the_database() -> None:
    """Close what earlier tests have left open: to change SQLite's journal, a benchmark needs the file alone.

    The traceback of a database error holds a cursor, and so SQLite's file, until it is collected.
    """
    gc.collect()
