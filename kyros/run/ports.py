"""Network ports: checks that one is free, and finds a free one."""

import errno
import socket

from kyros.run import LaunchError


def require_free(host: str, port: int, variable: str = "PORT") -> None:
    """Raise `LaunchError` unless a server can listen on `port` of `host`; `variable` is its setting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise LaunchError(f"HOST={host!r} is not a host name or IP address of this machine") from None
    with socket.socket(family, kind, protocol) as probe:
        # The web server sets this option, too, so that closing connections do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise LaunchError(_reason(host, port, variable, error)) from None


def _reason(host: str, port: int, variable: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by another process; choose another port with {variable}=…"
    if error.errno == errno.EACCES:
        return f"port {port} needs root; choose a port above 1023 with {variable}=…"
    return f"port {port} of {host} cannot be used: {error.strerror}"


def free(host: str) -> int:
    """Return a port of `host` that no process listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
