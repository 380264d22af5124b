"""Processes of this machine."""

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
