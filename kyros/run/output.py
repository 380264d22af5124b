"""Writes the launcher's messages to the terminal."""

import sys


def line(text: str) -> None:
    """Write `text` to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    """Write `text`, which names the current step, to standard error."""
    sys.stderr.write(f"{text} …\n")
    sys.stderr.flush()


def error(text: str) -> None:
    """Write `text`, the reason why the service cannot run, as one line to standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"kyros: {' '.join(text.split())}\n")
    sys.stderr.flush()
