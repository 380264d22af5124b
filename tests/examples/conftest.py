"""The programs of `examples/`, as real processes beside a real web server."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.servers.child_process import ChildProcess
from tests.users import PASSWORD, make_user

EXAMPLES = settings.BASE_DIR / "examples"


@pytest.fixture
def account(web: Callable[..., str]) -> dict[str, str]:
    """The environment of a program that works for the service as the user ``runner``."""
    url = web(workers=1)
    make_user("runner")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(EXAMPLES),
        "KYROS_URL": url,
        "KYROS_USERNAME": "runner",
        "KYROS_PASSWORD": PASSWORD,
        "LEASE_SECONDS": "5",
    }


@pytest.fixture
def start(account: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., ChildProcess]]:
    """A function that starts a program: ``start("worker.py", "--drain")``. It ends with the test."""
    programs: list[ChildProcess] = []

    def start(program: str | Path, *options: str, **variables: str) -> ChildProcess:
        file = EXAMPLES / program  # which is the program itself if that is a whole path
        interpreter = "/bin/sh" if file.suffix == ".sh" else sys.executable
        log = tmp_path / f"program{len(programs)}.log"
        programs.append(ChildProcess([interpreter, file, *options], log, env={**account, **variables}))
        return programs[-1]

    yield start
    for program in programs:
        program.close()
