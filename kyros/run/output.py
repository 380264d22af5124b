"""The lines that whoever started the service reads."""

import sys


def line(text: str) -> None:
    """Write `text` as lines of their own to the standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    """Write `text` as a line about what is being done to the standard error."""
    sys.stderr.write(f"{text} …\n")
    sys.stderr.flush()


def error(text: str) -> None:
    """Write `text` as the one line that says why the service cannot run."""
    sys.stdout.flush()
    sys.stderr.write(f"kyros: {' '.join(text.split())}\n")
    sys.stderr.flush()
