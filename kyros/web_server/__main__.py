"""The web server's program: `python -m kyros.web_server`."""

import argparse
import resource
import socket
import sys
from functools import partial
from importlib import import_module
from typing import Final, cast

from django.conf import settings
from django.utils.log import configure_logging
from granian.net import SocketSpec

from kyros.bootstrap import load_settings
from kyros.run import LaunchError, ports
from kyros.web_server import worker
from kyros.web_server.request_handler import Application
from kyros.web_server.worker_pool import WorkerPool
from monitoring.processes import usable_cores

#: Connections that wait to be accepted.
BACKLOG: Final = 1024


def main() -> int:
    """Serve requests until a signal arrives; return the exit status."""
    arguments = _arguments()
    load_settings()
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    raise_file_limit()
    try:
        ports.require_free(settings.HOST, settings.PORT)
    except LaunchError as error:
        sys.stderr.write(f"kyros: {error}\n")
        return 1
    # One socket for all workers: connections wait in it while a worker is replaced.
    listener = SocketSpec(ip_address(settings.PORT), settings.PORT, BACKLOG).build()
    load = partial(_load, arguments.application, is_factory=arguments.factory)
    workers = settings.WEB_WORKERS or usable_cores()
    return WorkerPool(workers, lambda number, ready: worker.serve(number, listener, load, ready)).run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kyros.web_server", description=__doc__)
    parser.add_argument(
        "application",
        nargs="?",
        default="kyros.wsgi:application",
        help="the WSGI application, MODULE:NAME (default: %(default)s)",
    )
    parser.add_argument("--factory", action="store_true", help="NAME is a function that returns it")
    return parser.parse_args()


def ip_address(port: int) -> str:
    """Return the address to listen on at a port of `HOST`."""
    found = socket.getaddrinfo(settings.HOST, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(found[0][4][0])


def raise_file_limit() -> None:
    """Allow as many open files as the system permits: each connection is one."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def _load(path: str, *, is_factory: bool) -> Application:
    module, _, name = path.partition(":")
    found = getattr(import_module(module), name)
    return cast("Application", found() if is_factory else found)


if __name__ == "__main__":
    sys.exit(main())
