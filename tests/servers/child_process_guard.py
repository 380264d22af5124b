"""Runs a command and ends it when the process that holds this process's standard input ends.

    python child_process_guard.py [--user UID:GID] [--stop-signal NAME] [--grace SECONDS] COMMAND [ARGUMENT
    ...] python child_process_guard.py --remove FOLDER

The first form writes one line to standard output: the command's process id. The command's own output goes to
standard error. When standard input is closed, the command gets the stop signal, and SIGKILL after the grace
period. The second form only waits for standard input to close and then removes a folder.

A pipe is used because the kernel closes it even when its holder is killed, on every system.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

REMOVE_TIMEOUT_SECONDS = 60


def main() -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user")
    parser.add_argument("--stop-signal", default="SIGTERM")
    parser.add_argument("--grace", type=float, default=5)
    parser.add_argument("--remove", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.remove:
        wait_for_parent_to_end()
        return remove(options.remove)
    return run(options.command, options.user, signal.Signals[options.stop_signal], options.grace)


def wait_for_parent_to_end() -> None:
    """Return when standard input is closed: when the parent has closed it or has ended."""
    while os.read(sys.stdin.fileno(), 1024):
        pass


def remove(folder: Path) -> int:
    """Remove the folder. Try again while servers that are still ending write to it."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)
    return int(folder.exists())


def run(command: list[str], user: str | None, stop_signal: signal.Signals, grace: float) -> int:
    """Run the command until it ends or the parent ends; return the command's exit status."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True, **identity(user)
    )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=end_with_parent, args=(child, stop_signal, grace), daemon=True).start()
    status = child.wait()
    signal_group(child.pid, signal.SIGKILL)  # processes that the command left running
    return status


def identity(user: str | None) -> dict[str, object]:
    """Return the arguments of Popen that run the child as the user `UID:GID`."""
    if user is None:
        return {}
    uid, gid = user.split(":")
    return {"user": int(uid), "group": int(gid), "extra_groups": []}


def end_with_parent(child: "subprocess.Popen[bytes]", stop_signal: signal.Signals, grace: float) -> None:
    """Wait for the parent to end, then end the child's process group."""
    wait_for_parent_to_end()
    signal_group(child.pid, stop_signal)
    signal_group(child.pid, signal.SIGCONT)  # a frozen process does not receive the stop signal
    time.sleep(grace)
    signal_group(child.pid, signal.SIGKILL)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that the child leads, if it still exists."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS raises the second for a group of zombies
        return


if __name__ == "__main__":
    sys.exit(main())
