"""Reads and validates environment variables. Only `kyros.settings` uses it.

An invalid value raises `ImproperlyConfigured` with one line that names the variable, the value and what is
allowed. The value of a secret, and a password inside a URL, are never shown.
"""

import ctypes
import io
import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NoReturn, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

TRUE = frozenset({"1", "on", "true", "yes"})
FALSE = frozenset({"0", "off", "false", "no"})
ENV_FILE_LINE = re.compile(r"(export )?[A-Za-z_][A-Za-z_0-9]*=")
# Greedy up to the last "@", because a password that is not percent-encoded may hold any character.
PASSWORD_IN_URL = re.compile(r"(://[^:/?#@]*:).*@")
PASSWORD_IN_QUERY = re.compile(r"([?&][^=&]*pass[^=&]*=)[^&]*", re.IGNORECASE)
MAX_SHOWN_CHARACTERS = 120


def mask_passwords(url: str) -> str:
    """Return `url` with every password in it replaced by `***`."""
    return PASSWORD_IN_QUERY.sub(r"\1***", PASSWORD_IN_URL.sub(r"\1***@", url))


def raise_invalid(name: str, shown: str, allowed: str) -> NoReturn:
    """Raise `ImproperlyConfigured` for the variable `name`; the message shows its value as `shown`."""
    if len(shown) > MAX_SHOWN_CHARACTERS:
        shown = f"{shown[:MAX_SHOWN_CHARACTERS]}…"
    raise ImproperlyConfigured(f"{name}={shown!r} cannot be used; allowed: {allowed}")


def _overwrite(name: str) -> None:
    """Overwrite the variable in this process's memory, which /proc shows, and forked processes inherit."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    if value := getenv(name.encode()):
        start = value - len(f"{name}=")
        ctypes.memset(start, 0, len(ctypes.string_at(start)))


class Environment:
    """The process's environment, completed by an optional `.env` file.

    A variable of the environment wins over the file. An empty variable counts as not set, so `NAME= make run`
    ignores the file's value.

    `names` holds every variable read so far: the complete list once the settings are loaded.
    """

    def __init__(self, env_file: Path) -> None:
        """Read `env_file` if it exists; raise `ImproperlyConfigured` for an invalid line."""
        self.names: set[str] = set()
        self._env = environ.Env()
        if env_file.is_file():
            self._read_file(env_file)

    def _read_file(self, path: Path) -> None:
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{path} cannot be read: {type(error).__name__}") from None
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip() and not line.startswith("#") and not ENV_FILE_LINE.match(line):
                # The line is not shown because it may hold a secret.
                raise ImproperlyConfigured(f"{path}, line {number}: expected NAME=value or a # comment")
        self._env.read_env(io.StringIO(content))

    def optional(self, name: str) -> str | None:
        """Return the value of `name`, or None when it is not set or empty."""
        self.names.add(name)
        # Not `Env.str`, which would replace a value of "$OTHER" by the value of the variable OTHER.
        return self._env.ENVIRON.get(name, "").strip() or None

    def text(self, name: str, default: str, *, pattern: str, allowed: str) -> str:
        """Return the value of `name`, which must fully match the regular expression `pattern`."""
        value = self.optional(name)
        if value is None:
            return default
        if not re.fullmatch(pattern, value):
            raise_invalid(name, value, allowed)
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return whether `name` is switched on."""
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() not in TRUE | FALSE:
            raise_invalid(name, value, "true, yes, on, 1 or false, no, off, 0")
        return value.lower() in TRUE

    def integer(self, name: str, default: int, *, minimum: int, maximum: int, unit: str = "") -> int:
        """Return the integer value of `name`, `minimum` to `maximum`; the error message names the `unit`."""
        value = self.optional(name)
        if value is None:
            return default
        if re.fullmatch(r"[0-9]{1,15}", value) and minimum <= int(value) <= maximum:
            return int(value)
        raise_invalid(name, value, f"a whole number{unit and f' of {unit}'} from {minimum} to {maximum}")

    def choice(self, name: str, default: str, *, choices: Iterable[str]) -> str:
        """Return the one of `choices` that the value of `name` is, in any case."""
        value = self.optional(name) or default
        for choice in choices:
            if choice.lower() == value.lower():
                return choice
        raise_invalid(name, value, ", ".join(choices))

    def comma_separated(self, name: str, default: list[str], *, pattern: str, allowed: str) -> list[str]:
        """Return the comma-separated values of `name`; each must fully match `pattern`."""
        value = self.optional(name)
        if value is None:
            return default
        items = [item.strip() for item in value.split(",") if item.strip()]
        for item in items:
            if not re.fullmatch(pattern, item):
                raise_invalid(name, item, f"comma separated, each {allowed}")
        return items

    def networks(self, name: str) -> list[IPv4Network | IPv6Network]:
        """Return the comma-separated IP networks of `name`; none when it is not set."""
        networks = []
        for item in self.comma_separated(name, [], pattern=".*", allowed=""):
            try:
                networks.append(ip_network(item))
            except ValueError:
                raise_invalid(name, item, "comma separated, each an IP address or a network like 10.0.0.0/8")
        return networks

    def secret(self, name: str, *, minimum_bytes: int) -> str | None:
        """Return the secret `name`, or None when it is not set; the error message shows only its length."""
        value = self.optional(name)
        if value is not None and len(value.encode()) < minimum_bytes:
            size = len(value.encode())
            raise ImproperlyConfigured(
                f"{name} (not shown) has {size} bytes; allowed: at least {minimum_bytes}"
            )
        return value

    def erase(self, name: str) -> None:
        """Remove `name` from the environment of this process and of the processes it will start."""
        if name in self._env.ENVIRON:
            _overwrite(name)
            del self._env.ENVIRON[name]

    def path(self, name: str, default: Path, *, base: Path) -> Path:
        """Return `name` as an absolute path; a relative one starts at the folder `base`."""
        value = self.optional(name)
        if value is None:
            return default
        if "\0" in value:
            raise_invalid(name, value, "a path")
        return (base / Path(value).expanduser()).resolve()

    def url(self, name: str, parse: Callable[[str], T], *, allowed: str) -> T | None:
        """Return `parse(value)`, or None when `name` is not set.

        `parse` raises `ValueError` for an invalid URL. The error message shows the URL with its password
        masked, and never the text of the `ValueError`.
        """
        value = self.optional(name)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError:
            shown = mask_passwords(value)
        raise_invalid(name, shown, allowed)
