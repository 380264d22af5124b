"""However the service ends, no process is left. `test_running` covers signals to a running service."""

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.run.conftest import new_data_dir
from tests.run.service import rows

pytestmark = pytest.mark.engine_neutral


@pytest.fixture(scope="module")
def shared_data_dir() -> Iterator[Path]:
    with new_data_dir() as folder:
        yield folder


@pytest.fixture
def data_dir(shared_data_dir: Path) -> Path:
    """One data folder for all tests of this file, so that each start finds what the last shutdown left."""
    return shared_data_dir


def leave_wal_file(folder: Path) -> None:
    """Create the log file of a deleted SQLite database."""
    file, log = folder / "kyros.sqlite3", folder / "kyros.sqlite3-wal"
    with closing(sqlite3.connect(file)) as gone:
        gone.execute("PRAGMA journal_mode = wal")
        gone.execute("CREATE TABLE gone (id INTEGER)")
        written = log.read_bytes()
    file.unlink()
    log.write_bytes(written)


def test_signal_during_migrations_and_a_repeated_signal_end_every_process(service):
    with new_data_dir() as new:
        new.mkdir()
        leave_wal_file(new)
        started = service(KYROS_DATA_DIR=new).until("migrating the database")
        assert started.end() == 128 + signal.SIGTERM
        # The next start completes what was half done.
        again = service(KYROS_DATA_DIR=new).until_ready()
        assert again.get("/readyz") == {"status": "ready", "cache": "up"}
        assert rows(new, "SELECT name FROM sqlite_master WHERE name IN ('jobs', 'gone')") == [("jobs",)]
        assert not list(new.glob("*.new*"))
        processes = again.processes
        again.launcher.send_signal(signal.SIGINT)
        again.launcher.send_signal(signal.SIGINT)
        assert again.ended(processes) == 128 + signal.SIGINT


def test_signal_during_the_start_ends_every_process(service):
    assert service().until("system | web started").end() == 128 + signal.SIGTERM


def test_after_a_kill_of_launcher_or_web_server_no_process_is_left_and_the_next_start_works(service):
    killed = service().until_ready()
    processes = killed.processes
    killed.launcher.kill()
    again = service()  # at once, while processes of the first may still be ending
    killed.ended(processes)
    assert again.until_ready().get("/readyz") == {"status": "ready", "cache": "up"}
    processes = again.processes
    again.process("kyros.web_server").kill()
    assert again.ended(processes) == 1
    assert "kyros: the process 'web' ended by itself" in again.output.splitlines()[-1]


@pytest.fixture
def hanging_preparation(service):
    """A service whose preparation waits for a database that never responds."""
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.settimeout(60)
        host = f"127.0.0.1:{database.getsockname()[1]}"
        started = service(DATABASE_URL=f"postgresql://{host}/kyros?connect_timeout=600")
        connection, _ = database.accept()
        with connection:
            yield started


def test_preparation_ends_when_the_launcher_is_killed(hanging_preparation):
    processes = hanging_preparation.processes
    hanging_preparation.launcher.kill()
    hanging_preparation.ended(processes)


def test_signal_ends_a_hanging_preparation(hanging_preparation):
    assert hanging_preparation.end() == 128 + signal.SIGTERM


def test_process_that_fails_at_every_restart_ends_the_service(service, tmp_path):
    started = service().until_ready()
    processes = started.processes
    (started.data_dir / "cache.conf").write_text("no such setting", encoding="utf-8")
    started.process("valkey-server").kill()
    assert started.ended(processes) == 1
    assert "kyros: the process 'cache' ended by itself" in started.output.splitlines()[-1]


def test_killed_guard_ends_the_service(service):
    started = service().until_ready()
    processes = started.processes
    started.process("kyros.web_server").parent().kill()
    assert started.ended(processes) == 1
    assert "kyros: the process 'web' ended by itself" in started.output


def test_process_that_ignores_sigterm_is_killed(service):
    started = service().until_ready()
    started.process("valkey-server").suspend()  # it can receive no signal but SIGKILL
    assert started.end() == 128 + signal.SIGTERM
