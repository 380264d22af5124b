"""Child processes that end when this process ends."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

GUARD = Path(__file__).with_name("child_process_guard.py")
# Stopping a server takes much less; the limit only keeps a broken server from hanging the run.
END_TIMEOUT_SECONDS = 60


class ServerError(Exception):
    """A server ended by itself or never became ready; the message holds the end of its log."""


class ChildProcess:
    """A running command that ends with this process, even if this process is killed."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: tuple[int, int] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start the command.

        Args:
            command: program and arguments.
            log: file that its output is appended to.
            env: its whole environment; None for this process's.
            user: user and group id to run as; None for this process's.
            stop_signal: the signal that shuts it down cleanly.

        Raises:
            ServerError: the program cannot be executed.
        """
        self.log = log
        self.stop_signal = stop_signal
        identity = [f"--user={user[0]}:{user[1]}"] if user else []
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                # -S and -E skip site packages and environment variables, so that Python starts faster.
                [sys.executable, "-S", "-E", GUARD, *identity, f"--stop-signal={stop_signal.name}", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=env,
                # Ctrl-C and a kill of the whole process group must not end the guard.
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as stdout:
            pid = stdout.readline()
        if not pid:
            self.close()
            raise ServerError(self.with_log(f"{command[0]} cannot be executed"))
        self.pid = int(pid)

    @property
    def running(self) -> bool:
        """Return whether the command is still running."""
        return self._guard.poll() is None

    def with_log(self, message: str) -> str:
        """Return `message` followed by the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"{message}; the end of its log:", *(f"    {line}" for line in lines)])

    def freeze(self) -> None:
        """Stop the command with SIGSTOP: its sockets stay open and do not respond."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue a frozen command."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the command, as a crash would, and wait until it has ended."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Shut the command down cleanly and wait until it has ended."""
        self._end(self.stop_signal)

    def _end(self, number: signal.Signals) -> None:
        if not self.running:
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(self.pid, number)
            os.kill(self.pid, signal.SIGCONT)
        self._guard.wait(END_TIMEOUT_SECONDS)
        self.close()

    def close(self) -> None:
        """End the command if it is still running, and wait until it has ended."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(END_TIMEOUT_SECONDS)


class EphemeralFolder:
    """Removes a folder and its contents when this process ends, even if this process is killed."""

    def __init__(self, path: Path) -> None:
        """Watch over the folder `path`, which exists."""
        self.path = path
        self._guard = subprocess.Popen(
            [sys.executable, "-S", "-E", GUARD, "--remove", path],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def close(self) -> None:
        """Remove the folder now."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(END_TIMEOUT_SECONDS)
