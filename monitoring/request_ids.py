"""The id of a request: in its answer, and in every line that is logged for it."""

import os
import re
import secrets
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from itertools import count
from typing import Any, Final

HEADER: Final = "X-Request-ID"
_VARIABLE: Final = "HTTP_X_REQUEST_ID"

# What a client may send: it ends up in logs and headers.
_VALID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: Set in a request's environment where ``RequestIds`` puts the id on the answer.
TOLD_OUTSIDE: Final = "monitoring.request_id_told"

#: The id of the request at hand, or "-" where none is at hand.
current: ContextVar[str] = ContextVar("request id", default="-")


class RequestIds:
    """A WSGI application that gives every request an id, unless the client has given it one, and tells it.

    Args:
        application: what answers.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        request_id = identify(environ)
        environ[TOLD_OUTSIDE] = True

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            headers.append((HEADER, request_id))
            return start_response(status, headers, *more)

        return self._application(environ, start)


def identify(environ: dict[str, Any]) -> str:
    """Return the id of a request; make one where the client sent none that can be taken."""
    given = environ.get(_VARIABLE)
    request_id = given if given and _VALID.fullmatch(given) else _new()
    environ[_VARIABLE] = request_id
    current.set(request_id)
    return request_id


# A random beginning of each process, and a number: a cached answer takes too little time to ask the system
# for randomness each time.
_process = secrets.token_hex(6)
_numbers = count(1)


def _new() -> str:
    return f"{_process}{next(_numbers):06x}"


def _begin_anew() -> None:
    global _process  # noqa: PLW0603 - a process that was forked is another one
    _process = secrets.token_hex(6)


os.register_at_fork(after_in_child=_begin_anew)
