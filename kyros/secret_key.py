"""The secret key that `make run` makes and keeps in the data folder."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

MIN_BYTES = 32
RULE = f"at least {MIN_BYTES} bytes"


class MissingKeyError(ImproperlyConfigured):
    """Nobody gave a secret key and none is kept in `file`."""

    def __init__(self, file: Path) -> None:
        """Say so, and what to do about it."""
        super().__init__(f"SECRET_KEY is not set; allowed: {RULE} (`make run` makes and keeps one by itself)")
        self.file = file


def read(file: Path) -> str:
    """Return the key kept in `file`; raise `MissingKeyError` without one, `ImproperlyConfigured` if unfit."""
    try:
        key = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingKeyError(file) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{file} cannot be read: {type(error).__name__}") from None
    if len(key) < MIN_BYTES:
        raise ImproperlyConfigured(f"{file} holds {len(key)} bytes; allowed: {RULE}")
    return key


def create(file: Path) -> None:
    """Make a random key and keep it in `file`, for its owner only, unless another process was quicker."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{secrets.token_urlsafe(48)}\n")
        # A link, unlike a rename, never replaces a key that somebody's sessions were signed with, and the key
        # is there as a whole or not at all.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
