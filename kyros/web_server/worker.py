"""A worker process: granian's HTTP server with a request handler."""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from django.conf import settings
from granian._granian import ASGIWorker, CallbackScheduler, SocketHolder, WorkerSignal
from granian.http import HTTP1Settings

from kyros.web_server.first_part import FirstParts, WorkerLoop
from kyros.web_server.request_body import BodyReader
from kyros.web_server.request_handler import Application, RequestHandler

#: Open connections, idle ones included; more wait to be accepted.
MAX_CONNECTIONS: Final = 4096
#: A connection is closed if a request's headers, or the next request, take longer.
HEADERS_TIMEOUT_MS: Final = 30_000
#: About what granian keeps of a connection's input and output; it refuses headers of twice as much with 431.
BUFFER_BYTES: Final = 64 * 1024
#: A thread that was idle for so long ends.
THREAD_IDLE_SECONDS: Final = 30
STATIC_FILES_MAX_AGE: Final = "86400"


def serve(number: int, listener: SocketHolder, load: Callable[[], Application], ready: Event) -> None:
    """Serve requests until SIGTERM, or until the parent process has ended.

    Args:
        number: the worker's number, for logs.
        listener: the socket on which all workers accept connections.
        load: returns the WSGI application.
        ready: set as soon as requests are served.
    """
    application = load()
    loop = WorkerLoop()
    asyncio.set_event_loop(loop)
    finished = asyncio.Event()
    stop = WorkerSignal()
    stop.add_cb(lambda: loop.call_soon_threadsafe(finished.set))
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    _add_parent_watch(loop, stop)
    _http_server(number, listener).serve_mtr(_scheduler(application, loop), loop, stop)
    ready.set()
    loop.run_until_complete(finished.wait())


def _add_parent_watch(loop: asyncio.AbstractEventLoop, stop: WorkerSignal) -> None:
    if parent := multiprocessing.parent_process():

        def end() -> None:
            loop.remove_reader(parent.sentinel)
            stop.set()

        loop.add_reader(parent.sentinel, end)


def _scheduler(application: Application, loop: WorkerLoop) -> CallbackScheduler:
    """Return the object by which granian calls the handler, on the thread that took the request.

    granian's own schedulers would start a coroutine in the event loop; a cached response is faster without.
    """
    bodies = BodyReader(timeout=settings.REQUEST_BODY_TIMEOUT, max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    scheduler = CallbackScheduler(loop, None, None, None, None)
    scheduler._schedule_fn = RequestHandler(application, loop, bodies, FirstParts(loop))  # noqa: SLF001 - granian's only way
    return scheduler


def _http_server(number: int, listener: SocketHolder) -> ASGIWorker:
    static = Path(settings.STATIC_ROOT)
    return ASGIWorker(
        number,
        (None, listener),
        None,
        py_threads=settings.WEB_THREADS,
        py_threads_idle_timeout=THREAD_IDLE_SECONDS,
        backpressure=MAX_CONNECTIONS,
        # Not "auto": then a connection that sends nothing is never closed.
        http_mode="1",
        http1_opts=HTTP1Settings(header_read_timeout=HEADERS_TIMEOUT_MS, max_buffer_size=BUFFER_BYTES),
        static_files=([("/static", str(static))], None, STATIC_FILES_MAX_AGE) if static.is_dir() else None,
    )
