"""The secret key file that `make run` creates in the data folder."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

MIN_BYTES = 32
REQUIREMENT = f"at least {MIN_BYTES} bytes"


class MissingKeyError(ImproperlyConfigured):
    """The settings have no secret key and `file` does not exist."""

    def __init__(self, file: Path) -> None:
        """Create the error for the missing `file`."""
        super().__init__(f"SECRET_KEY is not set; allowed: {REQUIREMENT} (`make run` creates one by itself)")
        self.file = file


def read(file: Path) -> str:
    """Return the key in `file`.

    Raises:
        MissingKeyError: the file does not exist.
        ImproperlyConfigured: the file cannot be read or its key is too short.
    """
    try:
        key = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingKeyError(file) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{file} cannot be read: {type(error).__name__}") from None
    if len(key) < MIN_BYTES:
        raise ImproperlyConfigured(f"{file} holds {len(key)} bytes; allowed: {REQUIREMENT}")
    return key


def create(file: Path) -> None:
    """Write a random key to `file`, readable by its owner only, unless another process has just done so."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{secrets.token_urlsafe(48)}\n")
        # Unlike a rename, a link never replaces an existing key, with which sessions are signed. Unlike a
        # write, it is atomic.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
