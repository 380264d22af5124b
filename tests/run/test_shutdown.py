"""However it ends, nothing of the service is left. How a signal ends one that runs, `test_running` sees."""

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.run.conftest import folder_to_be
from tests.run.service import rows

pytestmark = pytest.mark.engine_neutral


@pytest.fixture(scope="module")
def one_folder() -> Iterator[Path]:
    with folder_to_be() as folder:
        yield folder


@pytest.fixture
def data_dir(one_folder: Path) -> Path:
    """The data folder of all tests here: each start finds what the end before it has left."""
    return one_folder


def leave_log(folder: Path) -> None:
    """Leave the log of a SQLite file that is gone."""
    file, log = folder / "kyros.sqlite3", folder / "kyros.sqlite3-wal"
    with closing(sqlite3.connect(file)) as gone:
        gone.execute("PRAGMA journal_mode = wal")
        gone.execute("CREATE TABLE gone (id INTEGER)")
        written = log.read_bytes()
    file.unlink()
    log.write_bytes(written)


def test_signal_while_migrating_ends_every_process_and_one_that_comes_twice_does(service):
    with folder_to_be() as new:
        new.mkdir()
        leave_log(new)
        started = service(KYROS_DATA_DIR=new).until("migrating the database")
        assert started.end() == 128 + signal.SIGTERM
        # Whatever was half done is done by the next start.
        again = service(KYROS_DATA_DIR=new).until_ready()
        assert again.get("/readyz") == {"status": "ready", "cache": "up"}
        assert rows(new, "SELECT name FROM sqlite_master WHERE name IN ('jobs', 'gone')") == [("jobs",)]
        assert not list(new.glob("*.new*"))
        processes = again.processes
        again.launcher.send_signal(signal.SIGINT)
        again.launcher.send_signal(signal.SIGINT)
        assert again.ended(processes) == 128 + signal.SIGINT


def test_signal_while_starting_ends_every_process(service):
    assert service().until("system | web started").end() == 128 + signal.SIGTERM


def test_killed_launcher_or_web_server_takes_every_process_along_and_the_next_start_copes(service):
    killed = service().until_ready()
    processes = killed.processes
    killed.launcher.kill()
    again = service()  # at once: what is left of the other may still be there
    killed.ended(processes)
    assert again.until_ready().get("/readyz") == {"status": "ready", "cache": "up"}
    processes = again.processes
    again.process("granian").kill()
    assert again.ended(processes) == 1
    assert "kyros: the process 'web' ended by itself" in again.output.splitlines()[-1]


@pytest.fixture
def waiting_preparation(service):
    """A service whose preparation waits for a database that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.settimeout(60)
        address = f"127.0.0.1:{database.getsockname()[1]}"
        started = service(DATABASE_URL=f"postgresql://{address}/kyros?connect_timeout=600")
        connection, _ = database.accept()
        with connection:
            yield started


def test_launcher_killed_while_preparing_takes_the_preparation_along(waiting_preparation):
    processes = waiting_preparation.processes
    waiting_preparation.launcher.kill()
    waiting_preparation.ended(processes)


def test_signal_ends_a_preparation_that_waits(waiting_preparation):
    assert waiting_preparation.end() == 128 + signal.SIGTERM


def test_process_that_never_stays_ends_all(service, tmp_path):
    started = service().until_ready()
    processes = started.processes
    (started.data_dir / "cache.conf").write_text("no such setting", encoding="utf-8")
    started.process("valkey-server").kill()
    assert started.ended(processes) == 1
    assert "kyros: the process 'cache' ended by itself" in started.output.splitlines()[-1]


def test_guard_that_is_killed_ends_all(service):
    started = service().until_ready()
    processes = started.processes
    started.process("granian").parent().kill()
    assert started.ended(processes) == 1
    assert "kyros: the process 'web' ended by itself" in started.output


def test_process_that_ignores_sigterm_is_killed(service):
    started = service().until_ready()
    started.process("valkey-server").suspend()  # it cannot act on a signal but one
    assert started.end() == 128 + signal.SIGTERM
