"""Fixtures that start the service as `make run` does."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.conf import settings

from tests.run.service import Service, processes_of

DEFAULTS = {"DEMO_JOBS": 0, "DEMO_WORKERS": 0, "WEB_WORKERS": 1}


@contextmanager
def new_data_dir() -> Iterator[Path]:
    """Yield the path of a data folder that does not exist yet; it is short enough for sockets."""
    with TemporaryDirectory(dir=settings.KYROS_DATA_DIR) as folder:
        yield Path(folder) / "data"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """The path of a data folder that does not exist yet; it is short enough for sockets."""
    with new_data_dir() as folder:
        yield folder


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """A running service, started once for all tests of a file. The tests must leave it running.

    Afterwards SIGTERM must end every process, whatever the tests did to them, even one that ignores it.
    """
    with new_data_dir() as folder:
        started = Service(folder.parent / "log", {**DEFAULTS, "KYROS_DATA_DIR": folder})
        try:
            yield started.until_ready()
            started.process("valkey-server").suspend()  # it can receive no signal but SIGKILL
            assert started.end() == 128 + signal.SIGTERM
        finally:
            started.close()


@pytest.fixture
def service(data_dir: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """A function that starts the service on a free port, with `data_dir` and without demo data.

    Keyword arguments are environment variables: ``service(REDIS_URL="none")``. The service ends with the
    test, which fails if a process is left.
    """
    services: list[Service] = []

    def start(**variables: object) -> Service:
        log = tmp_path / f"service{len(services)}.log"
        services.append(Service(log, {**DEFAULTS, "KYROS_DATA_DIR": data_dir, **variables}))
        return services[-1]

    yield start
    for started in services:
        started.close()
    assert processes_of(data_dir) == []


@pytest.fixture
def hanging_preparation(service: Callable[..., Service]) -> Iterator[Service]:
    """A service whose preparation waits for a database that never responds."""
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.settimeout(60)
        host = f"127.0.0.1:{database.getsockname()[1]}"
        url = f"postgresql://{host}/kyros?connect_timeout=600"
        started = service(DATABASE_URL=url, KYROS_ADMIN_PASSWORD="chosen-hunter2")
        connection, _ = database.accept()
        with connection:
            yield started
