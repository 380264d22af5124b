"""What a start creates, and what it prints."""

import socket
import stat

import psutil
import pytest
from django.contrib.auth.hashers import check_password

from tests.run.service import rows

pytestmark = pytest.mark.engine_neutral


def test_second_start_keeps_the_data_of_the_first_and_can_use_another_cache_server(
    service, data_dir, valkey_server
):
    first = service(DEMO_JOBS=30).until_ready()
    password, key = first.password, (data_dir / "secret_key").read_text()
    first.end()
    assert not (data_dir / "cache.url").exists()
    assert rows(data_dir, "SELECT count(*) FROM jobs") == [(30,)]
    files = [file for file in data_dir.rglob("*") if file.is_file() and "static" not in file.parts]
    assert not [file for file in files if password.encode() in file.read_bytes()]

    server = valkey_server()
    second = service(DEMO_JOBS=40, REDIS_URL=server.url).until_ready()
    assert password not in second.output
    assert "migrating" not in second.output
    assert (data_dir / "secret_key").read_text() == key
    assert rows(data_dir, "SELECT count(*) FROM jobs") == [(30,)]
    assert second.get("/readyz")["cache"] == "up"
    assert not any("valkey" in process.name() for process in second.processes)
    server.kill()
    assert second.get("/readyz")["cache"] == "down"


def assert_no_process_has_the_password(service):
    # On Linux this is the block with which a process was started, and that of the launcher for its forks.
    for process in service.processes:
        environment = process.environ()
        assert "KYROS_ADMIN_PASSWORD" not in environment, process
        assert "hunter2" not in " ".join(environment.values()), process


def test_preparation_does_not_have_the_password_in_its_environment(hanging_preparation):
    assert len(hanging_preparation.processes) == 2
    assert_no_process_has_the_password(hanging_preparation)


def test_settings_may_hold_special_characters_and_the_folder_may_be_too_deep_for_a_socket(service, data_dir):
    special = data_dir / "a b\"%20#?'$x" / ("deep" * 20) / ("deep" * 20)
    started = service(
        KYROS_DATA_DIR=special, KYROS_ADMIN_USERNAME="ada@example.com", KYROS_ADMIN_PASSWORD="chosen-hunter2"
    ).until_ready()
    assert started.get("/readyz") == {"status": "ready", "cache": "up"}
    assert "  login     ada@example.com" in started.output
    assert "chosen-hunter2" not in started.output
    assert_no_process_has_the_password(started)
    ((digest,),) = rows(special, "SELECT password FROM users WHERE username = 'ada@example.com'")
    assert check_password("chosen-hunter2", digest)
    # The cache server listens on TCP instead, and requires a password.
    (listening,) = [
        connection.laddr
        for connection in started.process("valkey-server").net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening.ip == "127.0.0.1"
    with socket.create_connection(listening, timeout=10) as client:
        client.sendall(b"DBSIZE\r\n")
        assert client.recv(100).startswith(b"-NOAUTH")


@pytest.mark.parametrize(
    ("password", "database"), [("wrong", 0), ("right", 99)], ids=["wrong password", "no such database"]
)
def test_banner_says_that_the_cache_cannot_be_used(service, valkey_server, password, database):
    server = valkey_server()
    server.execute("CONFIG", "SET", "requirepass", "right")
    started = service(REDIS_URL=f"unix://:{password}@{server.socket}?db={database}").until_ready()
    assert started.get("/readyz") == {"status": "ready", "cache": "down"}
    assert "  cache     down: the server of REDIS_URL or REDIS_HOST cannot be used" in started.output


def test_taken_port_is_refused_with_one_line(service, data_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = service(PORT=port).refused()
    assert f"port {port} of 127.0.0.1 is taken" in line
    assert not list(data_dir.glob("*.sqlite3"))


def test_taken_port_of_the_stream_is_refused_with_one_line_that_names_its_setting(service, data_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = service(STREAM_PORT=port).refused()
    assert f"port {port} of 127.0.0.1 is taken" in line
    assert "STREAM_PORT=" in line


def accessible_by_others(folder):
    """Return the files and folders below `folder`, and itself, that not only their owner may use."""
    modes = {path: path.lstat().st_mode for path in (folder, *folder.rglob("*"))}
    return [path for path, mode in modes.items() if not stat.S_ISLNK(mode) and mode & 0o077]


def test_only_its_owner_can_use_the_data_folder_also_one_that_was_there_before(service, data_dir, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    database = tmp_path / "else.sqlite3"
    database.touch()
    (data_dir / "archive").mkdir(parents=True)
    for file in (data_dir / "kyros.sqlite3", data_dir / "archive" / "old.gz"):
        file.touch()
    (data_dir / "link").symlink_to(outside)
    for path in (outside, database, data_dir, *data_dir.rglob("*")):
        path.chmod(0o777)

    started = service().until_ready()
    assert accessible_by_others(data_dir) == []
    started.end()
    assert accessible_by_others(data_dir) == []
    assert outside.stat().st_mode & 0o777 == 0o777

    service(DATABASE_URL=f"sqlite:///{database}").until_ready().end()
    assert database.stat().st_mode & 0o077 == 0


def test_data_folder_that_cannot_be_created_is_refused_with_one_line(service, tmp_path):
    (tmp_path / "file").touch()
    line = service(KYROS_DATA_DIR=tmp_path / "file" / "data").refused()
    assert "KYROS_DATA_DIR=" in line
    assert "Not a directory" in line


def test_host_of_another_machine_is_refused_with_one_line(service):
    assert "192.0.2.1 cannot be used" in service(HOST="192.0.2.1").refused()


def test_invalid_setting_is_refused_with_one_line(service, data_dir):
    line = service(CACHE_TTL_JOB_LIST="abc").refused()
    assert "CACHE_TTL_JOB_LIST='abc'" in line
    assert not data_dir.exists()


def test_unreachable_database_is_refused_with_one_line(service):
    line = service(DATABASE_URL="postgresql://kyros:hunter2@127.0.0.1:1/kyros").refused()
    assert "database" in line
    assert "hunter2" not in line


def test_it_runs_on_postgresql_and_without_a_cache(service, postgres_server):
    started = service(DATABASE_URL=postgres_server().url(), REDIS_URL="None", DEMO_JOBS=30).until_ready()
    assert started.get("/readyz") == {"status": "ready", "cache": "disabled"}
    assert "  database  PostgreSQL" in started.output
    assert "  cache     off" in started.output
    commands = [" ".join(process.cmdline()) for process in started.processes]
    assert not any("valkey-server" in command for command in commands)
