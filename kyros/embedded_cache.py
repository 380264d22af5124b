"""The URL of the cache server that a running `make run` has started, for commands beside it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitoring.processes import is_alive

_FILE = "cache.url"


@contextmanager
def published(folder: Path, url: str) -> Iterator[None]:
    """Publish `url` in the data folder as long as the block runs; it may contain a password."""
    file = folder / _FILE
    draft = file.with_name(f"{_FILE}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(f"{os.getpid()} {url}", encoding="utf-8")
    draft.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def published_url(folder: Path) -> str | None:
    """Return the URL that a process which is still running has published in the data folder."""
    try:
        pid, _, url = (folder / _FILE).read_text(encoding="utf-8").partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return url if pid.isdigit() and is_alive(int(pid)) else None
