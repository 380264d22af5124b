"""Runs the Procfile's processes under honcho until the web server ends or a signal comes; then none is left.

What honcho does not do is done here: a process that the service can do without for a while is started
again; a signal while it still starts, a process that does not heed SIGTERM, a command that leaves processes
behind, and a launcher or a guard that is killed.
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

from kyros.run import LaunchError
from kyros.run.process_signals import GRACE_SECONDS, terminate_group

POLL_SECONDS = 0.1

#: Processes without which the service goes on answering: one that ends is started again.
RESTARTED = frozenset({"cache", "keeper", "worker"})
#: Seconds until it is, and how often in a row one may end within `QUICK_SECONDS` of its start before all is.
PAUSE_SECONDS = 0.5
QUICK_SECONDS = 2.0
QUICK_ENDS = 5


class GuardedProcess(Process):  # type: ignore[misc]
    """A command of the Procfile, in a session of its own with whatever it starts.

    honcho runs it from a process of its own, the guard, which outlives a launcher that is killed.
    """

    #: Set when the service ends: then nothing is started again.
    shutting_down: Event
    _ends: int = 0

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run the command, and run it again if it is one of `RESTARTED` and ends before the service does."""
        self._starting = threading.Lock()
        self._child_ctor = self._start_command
        threading.Thread(target=self._end_after_launcher, daemon=True).start()
        self._stopped = False
        while not self._stopped:
            started = time.monotonic()
            super().run(*args, **kwargs)
            quick = time.monotonic() - started < QUICK_SECONDS
            self._ends = self._ends + 1 if quick else 0

    def _start_command(self, *args: Any, **kwargs: Any) -> Popen:
        with self._starting:  # so that whoever ends the command knows it
            self._child = Popen(*args, **kwargs)
            return self._child

    def _send_message(self, data: Any, type: str = "line") -> None:  # noqa: A002 - honcho's name
        if type == "start":
            threading.Thread(target=self._end_after_command, daemon=True).start()
        if type == "stop" and self._starts_again():
            how = f"ended by itself ({_how(data['returncode'])}); it is started again"
            super()._send_message(f"{how}\n".encode())
            return
        self._stopped = type == "stop"
        super()._send_message(data, type)

    def _starts_again(self) -> bool:
        """Tell whether the command, which has just ended, is to be run again; if so, after a pause."""
        if self.name not in RESTARTED or self._ends >= QUICK_ENDS:
            return False
        return not self.shutting_down.wait(PAUSE_SECONDS)

    def _end_after_launcher(self) -> None:
        """End the command and this guard when the launcher has ended without doing so."""
        if launcher := multiprocessing.parent_process():
            launcher.join()
            self.shutting_down.set()  # in the launcher's place
            with self._starting:
                if self._child:
                    terminate_group(self._child.pid)
                os._exit(1)  # not by the queue of messages, which nobody reads any more

    def _end_after_command(self) -> None:
        """End what the command leaves behind: it would keep the output open, and the guard waiting."""
        self._child.wait()
        terminate_group(self._child.pid)


def _how(status: int) -> str:
    """Return how a process ended, by its exit status, which is negative for a signal."""
    return f"status {status}" if status >= 0 else signal.Signals(-status).name


class Supervisor(Manager):  # type: ignore[misc]
    """honcho's manager of processes, which ends them whatever happens."""

    def __init__(self, on_started: Callable[["Supervisor"], None]) -> None:
        """Manage no process yet; `on_started` is for `supervise` to explain."""
        super().__init__()
        self._process_ctor = GuardedProcess
        self._on_started = on_started
        self._end_asked = threading.Event()
        #: Tells the guards what `_end_asked` tells the threads here.
        self.shutting_down = multiprocessing.Event()
        #: Why the service cannot go on; None while it can, and when a signal ended it.
        self.failure: str | None = None

    def fail(self, reason: str) -> None:
        """End every process because of `reason`."""
        self.failure = self.failure or reason
        self._ask_for_the_end()

    def terminate(self) -> None:
        """End every process: honcho calls this on a signal, and when a process has ended."""
        if not self._end_asked.is_set():
            self.failure = self.failure or self._first_end()
        self._ask_for_the_end()

    def _ask_for_the_end(self) -> None:
        self.shutting_down.set()
        self._end_asked.set()

    def kill(self) -> None:
        """Leave force to the thread that ends the processes: honcho would use it without end."""

    def _first_end(self) -> str | None:
        """Return which process has ended while none was asked to, and how; None if every one runs."""
        for name, state in self._processes.items():
            if (status := state.get("returncode")) is not None:
                return f"the process {name!r} ended by itself ({_how(status)}); everything was ended"
        return None

    def _start(self) -> None:
        super()._start()
        # Threads only after the last fork.
        for target in (self._end_when_asked, self._replace_guards, partial(self._on_started, self)):
            threading.Thread(target=target, daemon=True).start()

    def _end_when_asked(self) -> None:
        """Send SIGTERM once to each process, as soon as it has told its id, and SIGKILL after a while."""
        self._end_asked.wait()
        forced_at = time.monotonic() + GRACE_SECONDS
        told: set[int] = set()
        while True:
            forced = time.monotonic() > forced_at
            for group in {state["pid"] for state in self._remaining()} - (set() if forced else told):
                self._procmgr.kill(group) if forced else self._procmgr.terminate(group)
                told.add(group)
            time.sleep(POLL_SECONDS)

    def _remaining(self) -> list[dict[str, Any]]:
        return [state for state in self._processes.values() if "pid" in state and "returncode" not in state]

    def _replace_guards(self) -> None:
        """Tell honcho that a process has stopped whose guard was killed and cannot tell any more."""
        guards = {state["process"].sentinel: name for name, state in self._processes.items()}
        while guards:
            for sentinel in multiprocessing.connection.wait(list(guards)):
                self._expect_stopped(guards.pop(sentinel))

    def _stop_without_guard(self, name: str, state: dict[str, Any]) -> None:
        if "pid" in state:
            terminate_group(state["pid"], grace=0)
        else:
            state["pid"] = state["process"].pid  # honcho waits for an id before it ends
        told = {"returncode": -signal.SIGKILL}
        self.events.put(Message(type="stop", data=told, time=None, name=name, colour=None))

    def _expect_stopped(self, name: str) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        state = self._processes[name]
        while state.get("returncode") is None:
            if time.monotonic() > deadline:
                self._stop_without_guard(name, state)
                return
            time.sleep(POLL_SECONDS)


def supervise(
    environment: Mapping[str, str], *, without: frozenset[str], on_started: Callable[[Supervisor], None]
) -> int:
    """Run the Procfile's processes until one ends or a signal comes; return the exit status of a signal.

    Args:
        environment: the environment variables of every process.
        without: names of the processes that this configuration does not need.
        on_started: called in a thread as soon as the processes are started, with their supervisor.

    Raises:
        LaunchError: a process ended by itself, or `on_started` called `Supervisor.fail`.
    """
    supervisor = Supervisor(on_started)
    commands = parse_procfile((settings.BASE_DIR / "Procfile").read_text(encoding="utf-8")).processes
    for name, command in commands.items():
        if name not in without:
            process = supervisor.add_process(name, command, env=dict(environment), cwd=str(settings.BASE_DIR))
            process.shutting_down = supervisor.shutting_down
    supervisor.loop()
    if supervisor.failure:
        raise LaunchError(supervisor.failure)
    return int(supervisor.returncode)
