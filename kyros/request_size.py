"""A limit on the size of a request's head: its method, URL and headers."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Characters of a request's head. Python remembers parts of requests, such as the last 128 URLs it parsed;
#: with this limit they are a few megabytes. The web server alone allows more than 400 kB.
MAX_HEAD_LENGTH: Final = 32 * 1024

_TOO_LARGE: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
_BODY: Final = (
    b'{"detail":"URL and headers are too large. Allowed: at most %d characters."}' % MAX_HEAD_LENGTH
)
_HEADERS: Final = (("Content-Type", "application/json"), ("Content-Length", str(len(_BODY))))


def limit_head(application: Application) -> Application:
    """Return a WSGI application that refuses requests with a large head and passes on the others."""

    def limited(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if sum([len(value) for value in environ.values() if isinstance(value, str)]) <= MAX_HEAD_LENGTH:
            return application(environ, start_response)
        start_response(f"{_TOO_LARGE.value} {_TOO_LARGE.phrase}", list(_HEADERS))
        return [_BODY]

    return limited
