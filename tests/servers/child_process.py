"""A server process that this process holds on a leash."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
# A stopped server takes far less; the bound only keeps a broken one from hanging the run.
END_SECONDS = 60


class ServerError(Exception):
    """A server ended by itself or never came up; the text holds the end of its log."""


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
            log: file that gets all it writes, appended.
            env: its whole environment; None for this process's.
            user: user and group id to run as; None for this process's.
            stop_signal: what ends it in good order.

        Raises:
            ServerError: the program cannot be executed.
        """
        self.log = log
        self.stop_signal = stop_signal
        identity = [f"--user={user[0]}:{user[1]}"] if user else []
        with log.open("ab") as output:
            self._leash = subprocess.Popen(
                # -S and -E: nothing of the site or the environment, so that it is there at once.
                [sys.executable, "-S", "-E", LEASH, *identity, f"--stop-signal={stop_signal.name}", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=env,
                # Ctrl-C and a kill of the whole process group must leave the leash to its work.
                start_new_session=True,
            )
        assert self._leash.stdout is not None
        with self._leash.stdout as stdout:
            pid = stdout.readline()
        if not pid:
            self.close()
            raise ServerError(self.explain(f"{command[0]} cannot be executed"))
        self.pid = int(pid)

    @property
    def running(self) -> bool:
        """Tell whether the command has not ended."""
        return self._leash.poll() is None

    def explain(self, what: str) -> str:
        """Return the sentence `what` with the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"{what}; the end of its log:", *(f"    {line}" for line in lines)])

    def freeze(self) -> None:
        """Stop the command where it stands, its sockets open and unanswered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen command go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the command as a crash would and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the command in good order and wait until it is gone."""
        self._end(self.stop_signal)

    def _end(self, number: signal.Signals) -> None:
        if not self.running:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
            os.kill(self.pid, number)
            os.kill(self.pid, signal.SIGCONT)
        self._leash.wait(END_SECONDS)
        self.close()

    def close(self) -> None:
        """Let go of the leash: the command ends if it still runs. Waits until it has."""
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        self._leash.wait(END_SECONDS)


class EphemeralFolder:
    """A folder that is removed with all its contents when this process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Doom the folder `path`, which exists."""
        self.path = path
        self._leash = subprocess.Popen(
            [sys.executable, "-S", "-E", LEASH, "--remove", path],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def close(self) -> None:
        """Remove the folder now."""
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        self._leash.wait(END_SECONDS)
