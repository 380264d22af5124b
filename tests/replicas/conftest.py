"""Fixtures of the tests of reads from replicas."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.replicas.service import ReplicatedService

folders = count(1)


@pytest.fixture(scope="module")
def service() -> Iterator[ReplicatedService]:
    """A primary and its replica; a test may freeze or kill both, and starts them again."""
    service = ReplicatedService(Path(os.environ["KYROS_DATA_DIR"]) / f"pair{next(folders)}")
    try:
        yield service.start()
    finally:
        service.close()
