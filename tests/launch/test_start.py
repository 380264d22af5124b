"""What a start makes, and what it tells."""

import socket
import stat

import psutil
import pytest

from tests.launch.service import Service

pytestmark = pytest.mark.engine_neutral


def test_first_start_makes_everything_and_second_start_keeps_it(service, data_dir):
    first = service().until_ready()
    assert first.get("/readyz") == {"status": "ready", "cache": "up"}
    assert f"  address   {first.url}/" in first.output
    assert str(data_dir) in first.output
    password, key = first.password, (data_dir / "secret_key").read_text()
    first.end()

    second = service().until_ready()
    assert password not in second.output
    assert "migrating" not in second.output
    assert (data_dir / "secret_key").read_text() == key


def test_data_of_the_service_is_its_owners_alone(service, data_dir):
    service().until_ready()
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600


def test_only_the_web_server_listens_on_the_network_and_on_its_host_only(service):
    started = service().until_ready()
    listening = {
        connection.laddr
        for process in started.processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    port = int(started.url.rpartition(":")[2])
    assert listening == {("127.0.0.1", port)}


def test_cache_can_be_turned_off(service):
    started = service(REDIS_URL="None").until_ready()
    assert started.get("/readyz") == {"status": "ready", "cache": "disabled"}
    assert "  cache     off" in started.output
    commands = [" ".join(process.cmdline()) for process in started.processes]
    assert not any("valkey-server" in command for command in commands)


def test_chosen_cache_server_is_used_and_none_is_started(service, valkey_server):
    server = valkey_server()
    started = service(REDIS_URL=server.url).until_ready()
    assert started.get("/readyz")["cache"] == "up"
    assert not any("valkey" in process.name() for process in started.processes)
    server.kill()
    assert started.get("/readyz")["cache"] == "down"


def test_folder_too_deep_for_a_socket_gets_a_cache_behind_a_password(service, data_dir):
    deep = data_dir / ("deep" * 20) / ("deep" * 20)
    started = service(KYROS_DATA_DIR=deep).until_ready()
    assert started.get("/readyz")["cache"] == "up"
    (address,) = [
        connection.laddr
        for connection in started.process("valkey-server").net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert address.ip == "127.0.0.1"
    with socket.create_connection(address, timeout=10) as stranger:
        stranger.sendall(b"DBSIZE\r\n")
        assert stranger.recv(100).startswith(b"-NOAUTH")


def test_folder_with_signs_that_mean_something_elsewhere(service, data_dir):
    odd = data_dir / "a b\"%20#?'$x"
    assert service(KYROS_DATA_DIR=odd).until_ready().get("/readyz") == {"status": "ready", "cache": "up"}


def test_two_instances_run_side_by_side(service, data_dir):
    one = service(KYROS_DATA_DIR=data_dir / "one")
    other = service(KYROS_DATA_DIR=data_dir / "other")
    for each in (one, other):
        assert each.until_ready().get("/readyz") == {"status": "ready", "cache": "up"}


def refused(service: Service) -> str:
    """Return the one line a start was refused with, having made sure that nothing runs."""
    assert service.ended() == 1
    (line,) = service.output.splitlines()
    return line


def test_port_that_is_taken_is_one_line(service, data_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused(service(PORT=port))
    assert f"port {port} of 127.0.0.1 is taken" in line
    assert not list(data_dir.glob("*.sqlite3"))


def test_data_folder_of_a_running_instance_is_one_line(service, data_dir):
    running = service().until_ready()
    line = refused(service())
    assert str(data_dir) in line
    assert str(running.launcher.pid) in line
    assert running.url in line


def test_data_folder_that_cannot_be_made_is_one_line(service, tmp_path):
    (tmp_path / "file").touch()
    line = refused(service(KYROS_DATA_DIR=tmp_path / "file" / "data"))
    assert "KYROS_DATA_DIR=" in line
    assert "Not a directory" in line


def test_host_of_another_machine_is_one_line(service):
    assert "192.0.2.1 cannot be used" in refused(service(HOST="192.0.2.1"))


def test_setting_that_cannot_be_read_is_one_line(service, data_dir):
    line = refused(service(CACHE_TTL_JOB_LIST="abc"))
    assert "CACHE_TTL_JOB_LIST='abc'" in line
    assert not data_dir.exists()


def test_database_that_does_not_answer_is_one_line(service):
    started = service(DATABASE_URL="postgresql://kyros:hunter2@127.0.0.1:1/kyros")
    line = refused(started)
    assert "database" in line
    assert "hunter2" not in line


def test_postgresql_serves_as_database(service, postgres_server):
    url = postgres_server().url()
    first = service(DATABASE_URL=url, DEMO_JOBS=30).until_ready()
    assert first.get("/readyz") == {"status": "ready", "cache": "up"}
    assert "  database  PostgreSQL" in first.output
    password = first.password
    first.end()
    assert password not in service(DATABASE_URL=url).until_ready().output
