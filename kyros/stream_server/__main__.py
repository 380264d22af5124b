"""The event stream's program: `python -m kyros.stream_server`."""

import asyncio
import logging
import os
import signal
import socket
import sys
from typing import Final

from django.conf import settings
from django.utils.log import configure_logging
from granian._granian import ASGIWorker, CallbackScheduler, SocketHolder, WorkerSignal
from granian.http import HTTP1Settings
from granian.net import SocketSpec

from kyros.bootstrap import load_settings
from kyros.run import LaunchError, ports
from kyros.web_server.__main__ import BACKLOG, ip_address, raise_file_limit
from kyros.web_server.worker import BUFFER_BYTES, HEADERS_TIMEOUT_MS, THREAD_IDLE_SECONDS

logger = logging.getLogger(__name__)

#: Milliseconds after which the system ends the connection of a client that takes nothing.
SEND_TIMEOUT_MS: Final = 30_000


def main() -> int:
    """Serve the stream until a signal arrives; return the exit status."""
    load_settings()
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    raise_file_limit()
    try:
        ports.require_free(settings.HOST, settings.STREAM_PORT, "STREAM_PORT")
    except LaunchError as error:
        sys.stderr.write(f"kyros: {error}\n")
        return 1
    # Imported here because they need the apps to be loaded.
    from kyros.wsgi import application  # noqa: PLC0415, I001
    from kyros.stream_server import stream_application  # noqa: PLC0415

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    served = stream_application.create(application, loop)
    running = loop.create_task(served.run())
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(each, running.cancel)
    scheduler = CallbackScheduler(loop, None, None, None, None)
    scheduler._schedule_fn = served  # noqa: SLF001 - granian's only way
    _http_server(stream_application.MAX_CLIENTS).serve_mtr(scheduler, loop, WorkerSignal())
    return _run(loop, running)


def _run(loop: asyncio.AbstractEventLoop, running: asyncio.Task[None]) -> int:
    """Run the loop until the task ends; return 0 if a signal has ended it."""
    try:
        loop.run_until_complete(running)
    except asyncio.CancelledError:
        return 0
    except Exception:
        logger.exception("The event stream failed")
    return 1


def _http_server(max_clients: int) -> ASGIWorker:
    return ASGIWorker(
        1,
        (None, listener()),
        None,
        py_threads=1,
        py_threads_idle_timeout=THREAD_IDLE_SECONDS,
        # Some clients more get a response that says so; others wait to be accepted.
        backpressure=max_clients + 100,
        http_mode="1",
        http1_opts=HTTP1Settings(header_read_timeout=HEADERS_TIMEOUT_MS, max_buffer_size=BUFFER_BYTES),
    )


def listener() -> SocketHolder:
    """Return a listening socket whose connections end with a client that takes nothing.

    A client that was cut off and does not read leaves the rest of its data in the socket's buffer, and keeps
    its connection for as long as it likes. So the system ends it; accepted sockets inherit the option.
    """
    holder: SocketHolder = SocketSpec(ip_address(settings.STREAM_PORT), settings.STREAM_PORT, BACKLOG).build()
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS
        with socket.socket(fileno=os.dup(holder.get_fd())) as same:
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_MS)
    return holder


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # At once: granian's threads would still call an interpreter that ends, and abort the process.
    os._exit(status)
