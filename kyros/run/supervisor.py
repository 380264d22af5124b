"""Runs the Procfile's processes under honcho until the web server ends or a signal arrives; then ends all.

This module adds what honcho does not do. It restarts processes that the service can run without for a while,
and leaves no process behind in these cases: a signal during the start, a process that ignores SIGTERM, a
command that leaves child processes, and a launcher or guard that is killed.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any

from django.conf import settings
from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message
from honcho.process import Popen, Process

from kyros.run import LaunchError, data_dir
from kyros.run.process_signals import GRACE_SECONDS, terminate_group

POLL_SECONDS = 0.1

#: Processes that are restarted when they end: the service goes on without them meanwhile.
RESTARTED = frozenset({"cache", "relay", "stream", "worker", "demo_workers"})
#: The pause before a restart.
RESTART_PAUSE_SECONDS = 0.5
#: A process that ends sooner after its start has failed. So many failures in a row end the service.
FAILURE_SECONDS = 2.0
MAX_FAILURES = 5


class GuardedProcess(Process):  # type: ignore[misc]
    """A command of the Procfile, in a new session together with its child processes.

    honcho runs it from a separate process, the guard, which survives a launcher that is killed.
    """

    #: Set when the service ends: then no process is restarted.
    shutting_down: Event
    #: The descriptor of the data folder's lock. The command inherits it: the folder is in use until it ends.
    lock: int
    _failures: int = 0

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run the command; run it again if it is in `RESTARTED` and ends before the service does."""
        os.setsid()  # a signal to the launcher's process group, or the end of its terminal, leaves the guard
        self._starting = threading.Lock()
        self._child_ctor = self._start_command
        threading.Thread(target=self._end_after_launcher, daemon=True).start()
        self._stopped = False
        while not self._stopped:
            started = time.monotonic()
            super().run(*args, **kwargs)
            failed = time.monotonic() - started < FAILURE_SECONDS
            self._failures = self._failures + 1 if failed else 0

    def _start_command(self, *args: Any, **kwargs: Any) -> Popen:
        with self._starting:  # the thread that ends the command must know it
            self._child = Popen(*args, pass_fds=(self.lock,), **kwargs)
            data_dir.add_group(self.lock, self._child.pid)
            return self._child

    def _send_message(self, data: Any, type: str = "line") -> None:  # noqa: A002 - honcho's name
        if type == "start":
            threading.Thread(target=self._end_after_command, daemon=True).start()
        if type == "stop" and self._restarts():
            message = f"ended by itself ({_exit_reason(data['returncode'])}); restarting it"
            super()._send_message(f"{message}\n".encode())
            return
        self._stopped = type == "stop"
        super()._send_message(data, type)

    def _restarts(self) -> bool:
        """Return whether to restart the command, which has just ended; wait for the pause before it."""
        if self.name not in RESTARTED or self._failures >= MAX_FAILURES:
            return False
        return not self.shutting_down.wait(RESTART_PAUSE_SECONDS)

    def _end_after_launcher(self) -> None:
        """End the command and this guard when the launcher has ended without ending them."""
        if launcher := multiprocessing.parent_process():
            launcher.join()
            self.shutting_down.set()  # the launcher cannot do it any more
            with self._starting:
                if self._child:
                    terminate_group(self._child.pid)
                os._exit(1)  # not through the message queue, which no process reads any more

    def _end_after_command(self) -> None:
        """End child processes that the command leaves: they keep its output open, so the guard waits."""
        self._child.wait()
        terminate_group(self._child.pid)


def _exit_reason(status: int) -> str:
    """Return how a process ended; a negative exit status stands for a signal."""
    return f"status {status}" if status >= 0 else signal.Signals(-status).name


class Supervisor(Manager):  # type: ignore[misc]
    """honcho's process manager; it leaves no process behind, whatever happens."""

    def __init__(self, on_started: Callable[["Supervisor"], None]) -> None:
        """Create a supervisor without processes; see `supervise` for `on_started`."""
        super().__init__()
        self._process_ctor = GuardedProcess
        self._on_started = on_started
        self._end_requested = threading.Event()
        #: For the guards what `_end_requested` is for the threads of this process.
        self.shutting_down = multiprocessing.Event()
        #: Why the service failed; None if it runs or a signal ended it.
        self.failure: str | None = None

    def fail(self, reason: str) -> None:
        """End every process because of `reason`."""
        self.failure = self.failure or reason
        self._request_end()

    def terminate(self) -> None:
        """End every process: honcho calls this for a signal and when a process has ended."""
        if not self._end_requested.is_set():
            self.failure = self.failure or self._first_exit()
        self._request_end()

    def _request_end(self) -> None:
        self.shutting_down.set()
        self._end_requested.set()

    def kill(self) -> None:
        """Do nothing: `_end_when_requested` kills processes; honcho would kill them again and again."""

    def _first_exit(self) -> str | None:
        """Return which process has ended by itself, and how; None if all are running."""
        for name, state in self._processes.items():
            if (status := state.get("returncode")) is not None:
                return f"the process {name!r} ended by itself ({_exit_reason(status)}); all others were ended"
        return None

    def _start(self) -> None:
        super()._start()
        # Start threads only after the last fork.
        for target in (self._end_when_requested, self._watch_guards, partial(self._on_started, self)):
            threading.Thread(target=target, daemon=True).start()

    def _end_when_requested(self) -> None:
        """Send each process SIGTERM once, as soon as its id is known, and SIGKILL after the grace period."""
        self._end_requested.wait()
        kill_at = time.monotonic() + GRACE_SECONDS
        signalled: set[int] = set()
        while True:
            force = time.monotonic() > kill_at
            for group in {state["pid"] for state in self._remaining()} - (set() if force else signalled):
                self._procmgr.kill(group) if force else self._procmgr.terminate(group)
                signalled.add(group)
            time.sleep(POLL_SECONDS)

    def _remaining(self) -> list[dict[str, Any]]:
        return [state for state in self._processes.values() if "pid" in state and "returncode" not in state]

    def _watch_guards(self) -> None:
        """Report the end of a process to honcho when its guard was killed and cannot report it."""
        guards = {state["process"].sentinel: name for name, state in self._processes.items()}
        while guards:
            for sentinel in multiprocessing.connection.wait(list(guards)):
                self._expect_stopped(guards.pop(sentinel))

    def _report_stop(self, name: str, state: dict[str, Any]) -> None:
        if "pid" in state:
            terminate_group(state["pid"], grace=0)
        else:
            state["pid"] = state["process"].pid  # honcho waits for an id before it ends
        data = {"returncode": -signal.SIGKILL}
        self.events.put(Message(type="stop", data=data, time=None, name=name, colour=None))

    def _expect_stopped(self, name: str) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        state = self._processes[name]
        while state.get("returncode") is None:
            if time.monotonic() > deadline:
                self._report_stop(name, state)
                return
            time.sleep(POLL_SECONDS)


def supervise(
    environment: Mapping[str, str],
    *,
    lock: int,
    without: frozenset[str],
    on_started: Callable[[Supervisor], None],
) -> int:
    """Run the Procfile's processes until one ends or a signal arrives; return the signal's exit status.

    Args:
        environment: the environment of every process.
        lock: the descriptor of the data folder's lock, which every process inherits.
        without: names of the processes that are not started.
        on_started: called in a thread, with the supervisor, as soon as all processes are started.

    Raises:
        LaunchError: a process ended by itself, or `on_started` called `Supervisor.fail`.
    """
    supervisor = Supervisor(on_started)
    commands = parse_procfile((settings.BASE_DIR / "Procfile").read_text(encoding="utf-8")).processes
    for name, command in commands.items():
        if name not in without:
            process = supervisor.add_process(name, command, env=dict(environment), cwd=str(settings.BASE_DIR))
            process.shutting_down = supervisor.shutting_down
            process.lock = lock
    supervisor.loop()
    if supervisor.failure:
        raise LaunchError(supervisor.failure)
    return int(supervisor.returncode)
