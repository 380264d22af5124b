"""Private cache servers for tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.servers.valkey import ValkeyServer

pytestmark = pytest.mark.engine_neutral


@pytest.fixture
def server(valkey_server: Callable[[], ValkeyServer]) -> ValkeyServer:
    return valkey_server()


def test_private_server_shares_nothing_with_the_run_s_server(
    server: ValkeyServer, valkey: ValkeyServer
) -> None:
    server.execute("SET", "here", 1)
    assert valkey.execute("EXISTS", "here") == 0


def test_clients_can_connect_to_its_url(server: ValkeyServer) -> None:
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_frozen_server_accepts_connections_and_never_responds(server: ValkeyServer) -> None:
    server.freeze()
    with server.client(timeout=0.2) as client:
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.thaw()
        assert client.ping()


@pytest.mark.parametrize("state", ["alive", "frozen"])
def test_killed_server_refuses_connections(server: ValkeyServer, state: str) -> None:
    if state == "frozen":
        server.freeze()
    server.kill()
    assert not server.running
    with pytest.raises(redis.ConnectionError):
        server.execute("PING")


def test_restarted_server_has_a_new_run_id_and_is_empty(server: ValkeyServer) -> None:
    server.execute("SET", "old", 1)
    server.save()
    run_id = server.client().info("server")["run_id"]
    server.restart()
    assert server.execute("DBSIZE") == 0
    assert server.client().info("server")["run_id"] != run_id


def test_server_can_restart_from_a_snapshot(server: ValkeyServer, tmp_path: Path) -> None:
    server.execute("SET", "key", "old")
    snapshot = server.save(tmp_path / "old.rdb")
    server.execute("SET", "key", "new")
    server.restart(snapshot)
    assert server.execute("GET", "key") == b"old"


def test_server_can_be_limited_in_memory(valkey_server: Callable[..., ValkeyServer]) -> None:
    server = valkey_server({"maxmemory": "2mb", "maxmemory-policy": "noeviction"})
    with pytest.raises(redis.OutOfMemoryError):
        server.execute("SET", "large", b"x" * 4_000_000)
