"""Run a command that ends when the process that holds this one's standard input ends, however it ends.

    python leash.py [--user UID:GID] [--stop-signal NAME] [--grace SECONDS] COMMAND [ARGUMENT ...]
    python leash.py --remove FOLDER

The command's process id is the only line on standard output; what the command itself writes goes to standard
error. The end of standard input sends it the stop signal, and SIGKILL after the grace. The second form only
waits for that end and removes a folder. A pipe is used because the kernel
closes it even if its holder is killed, on every system.
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

REMOVE_SECONDS = 60


def main() -> int:
    """Do what the command line says and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user")
    parser.add_argument("--stop-signal", default="SIGTERM")
    parser.add_argument("--grace", type=float, default=5)
    parser.add_argument("--remove", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.remove:
        wait_for_holder()
        return remove(options.remove)
    return run(options.command, options.user, signal.Signals[options.stop_signal], options.grace)


def wait_for_holder() -> None:
    """Return when nobody holds the other end of standard input any more."""
    while os.read(sys.stdin.fileno(), 1024):
        pass


def remove(folder: Path) -> int:
    """Remove the folder, again and again while servers that are just ending still write to it."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)
    return int(folder.exists())


def run(command: list[str], user: str | None, stop_signal: signal.Signals, grace: float) -> int:
    """Run the command to its end or to the holder's, whichever comes first."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True, **identity(user)
    )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=end_with_holder, args=(child, stop_signal, grace), daemon=True).start()
    status = child.wait()
    signal_group(child.pid, signal.SIGKILL)  # whatever the command itself left running
    return status


def identity(user: str | None) -> dict[str, object]:
    """Return the arguments of Popen that make the child run as the user `UID:GID`."""
    if user is None:
        return {}
    uid, gid = user.split(":")
    return {"user": int(uid), "group": int(gid), "extra_groups": []}


def end_with_holder(child: "subprocess.Popen[bytes]", stop_signal: signal.Signals, grace: float) -> None:
    """End the child's process group once the holder is gone."""
    wait_for_holder()
    signal_group(child.pid, stop_signal)
    signal_group(child.pid, signal.SIGCONT)  # a frozen process would not see the signal
    time.sleep(grace)
    signal_group(child.pid, signal.SIGKILL)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that the child leads, if any of it is left."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the second of a group of zombies
        return


if __name__ == "__main__":
    sys.exit(main())
