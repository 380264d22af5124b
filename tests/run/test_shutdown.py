"""However the service ends, no process is left.

The fixture `running` covers SIGTERM to a running service with a process that ignores it.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.run.conftest import new_data_dir
from tests.run.service import END_TIMEOUT_SECONDS, rows

pytestmark = pytest.mark.engine_neutral


def kill_all(processes: Iterable[psutil.Process]) -> None:
    killed = list(processes)
    for each in killed:
        each.kill()
    psutil.wait_procs(killed, END_TIMEOUT_SECONDS)


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


def test_kill_of_the_whole_process_group_leaves_no_process_and_the_next_start_works(service):
    killed = service().until_ready()
    processes = killed.processes
    os.killpg(killed.launcher.pid, signal.SIGKILL)
    again = service()
    killed.ended(processes)
    assert again.until_ready().get("/readyz") == {"status": "ready", "cache": "up"}


def test_processes_without_launcher_and_guards_lock_the_folder_and_are_named(service):
    killed = service().until_ready()
    processes = killed.processes
    kill_all([each for each in processes if "kyros.run" in each.cmdline()])
    left = [each for each in processes if each.is_running() and os.getsid(each.pid) == each.pid]
    try:
        assert left
        line = service().refused()
        # Any of them may have ended by itself meanwhile, for example when it wrote to the launcher's pipe.
        named = {int(pid) for pid in line.partition("kill -- ")[2].split()}
        assert named
        assert {-each.pid for each in left if each.is_running()} <= named <= {-each.pid for each in left}
        subprocess.run(["/bin/bash", "-c", f"kill {line.partition('kill ')[2]}"], check=True)
        _, unkilled = psutil.wait_procs(left, END_TIMEOUT_SECONDS)
        assert unkilled == []
    finally:
        kill_all(each for each in left if each.is_running())
    assert service().until_ready().get("/readyz") == {"status": "ready", "cache": "up"}


def test_sqlite_file_is_whole_by_itself_after_the_service_has_ended(service, data_dir, tmp_path):
    started = service().until_ready()
    with closing(sqlite3.connect(data_dir / "kyros.sqlite3")) as writer:
        writer.execute("CREATE TABLE written (id INTEGER)")
    for each in started.processes:
        if "kyros.run" not in each.cmdline():
            each.suspend()  # so that it is killed, and does not close its database
    assert started.end() == 128 + signal.SIGTERM
    assert not (data_dir / "kyros.sqlite3-wal").exists()
    copy = shutil.copy(data_dir / "kyros.sqlite3", tmp_path)
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT count(*) FROM written").fetchone() == (0,)


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
