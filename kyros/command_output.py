"""The standard output of commands: if it cannot be written, the command ends quietly, with a status."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, cast

#: The status that shells report for a program that SIGPIPE ended.
CLOSED_PIPE_STATUS = 128 + signal.SIGPIPE


class GuardedOutput:
    """A text stream that ends the program when it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write `text`; raise `SystemExit` if that fails."""
        self._guarded(self._stream.write, text)

    def flush(self) -> None:
        """Flush the stream; raise `SystemExit` if that fails."""
        self._guarded(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _guarded(self, operation: Callable[..., object], *arguments: str) -> None:
        try:
            operation(*arguments)
        except OSError as error:
            # What is still buffered goes nowhere, or Python would fail again when it ends.
            discard = os.open(os.devnull, os.O_WRONLY)
            os.dup2(discard, self._stream.fileno())
            os.close(discard)
            _exit(error)


def _exit(error: OSError) -> NoReturn:
    if error.errno == errno.EPIPE:
        sys.exit(CLOSED_PIPE_STATUS)
    sys.exit(f"kyros: the output cannot be written: {error.strerror}")


def guard_output() -> None:
    """Replace standard output by a guarded one, and streams that the caller has closed by /dev/null.

    With a closed one, a database file or a socket could get its number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which gets the lowest free number: this one
    sys.stdout = cast("TextIO", GuardedOutput(sys.stdout or _text_stream(1)))
    sys.stderr = sys.stderr or _text_stream(2)


def _text_stream(number: int) -> TextIO:
    return os.fdopen(number, "w", encoding="utf-8")
