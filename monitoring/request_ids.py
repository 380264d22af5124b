"""Request ids: in the response's header and in every log line of the request."""

import os
import re
import secrets
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from itertools import count
from typing import Any, Final

HEADER: Final = "X-Request-ID"
_VARIABLE: Final = "HTTP_X_REQUEST_ID"

# What a client may send: it is copied into logs and headers.
_VALID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: Key in a request's environ: ``RequestIds`` adds the header, so the middleware need not.
HEADER_ADDED: Final = "monitoring.request_id_added"

#: The id of the current request, or "-".
current: ContextVar[str] = ContextVar("request id", default="-")


class RequestIds:
    """WSGI middleware that gives every request an id and adds it to the response."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle a request."""
        request_id = identify(environ)
        environ[HEADER_ADDED] = True

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            headers.append((HEADER, request_id))
            return start_response(status, headers, *more)

        return self._application(environ, start)


def identify(environ: dict[str, Any]) -> str:
    """Return a request's id: the client's if it is valid, else a new one."""
    given = environ.get(_VARIABLE)
    request_id = given if given and _VALID.fullmatch(given) else _new()
    environ[_VARIABLE] = request_id
    current.set(request_id)
    return request_id


# A random prefix for each process and a counter: random bytes for each request would be a system call, which
# is slow beside a cache hit.
_prefix = secrets.token_hex(6)
_numbers = count(1)


def _new() -> str:
    return f"{_prefix}{next(_numbers):06x}"


def _renew_prefix() -> None:
    global _prefix  # noqa: PLW0603 - a forked process needs a prefix of its own
    _prefix = secrets.token_hex(6)


os.register_at_fork(after_in_child=_renew_prefix)
