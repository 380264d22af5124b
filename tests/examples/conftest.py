"""The programs of `examples/`, as real processes beside a real web server."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.servers.child_process import ChildProcess
from tests.servers.stream import StreamServer
from tests.servers.web import free_port
from tests.users import PASSWORD, make_user

EXAMPLES = settings.BASE_DIR / "examples"
#: A port for the stream's process of this test process.
STREAM_PORT = free_port()
sys.path.insert(0, str(EXAMPLES))  # the examples import each other, and the tests import them, by name


def environment(url: str) -> dict[str, str]:
    """Return the environment of a program that works for the service as the user ``runner``."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(EXAMPLES),
        "KYROS_URL": url,
        "KYROS_USERNAME": "runner",
        "KYROS_PASSWORD": PASSWORD,
        "LEASE_SECONDS": "5",
    }


@pytest.fixture
def account(web: Callable[..., str]) -> dict[str, str]:
    """The environment of a program, beside a web server."""
    url = web(workers=1, env={"STREAM_PORT": str(STREAM_PORT)})
    make_user("runner")
    return environment(url)


@pytest.fixture
def stream_server(account: dict[str, str], database_url: str, tmp_path: Path) -> Iterator[StreamServer]:
    """The stream's process, to which the web server redirects."""
    server = StreamServer(tmp_path / "stream.log", {"DATABASE_URL": database_url}, port=STREAM_PORT)
    yield server
    server.close()


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
