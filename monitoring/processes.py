"""Processes and processors of this machine."""

import os


def is_alive(pid: int) -> bool:
    """Return whether a process with this id exists, whatever its owner."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def usable_cores() -> int:
    """Return the number of cores this process may use; a container or taskset may restrict it."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
