"""Makes the WSGI environment (PEP 3333) of a request from its ASGI scope."""

import string
import sys
from functools import lru_cache
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

Environ = dict[str, Any]

#: The same for every request. The process's environment is not part of it, because it holds secrets.
_CONSTANTS: Final[Environ] = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
_WITHOUT_PREFIX: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


def environ_of(scope: dict[str, Any]) -> Environ:
    """Return the environment of a request; `wsgi.input` is empty."""
    path: bytes = scope["raw_path"]
    version = scope["http_version"]
    environ = {
        **_CONSTANTS,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": _percent_encoded(scope["query_string"]),
        "SERVER_PROTOCOL": "HTTP/1.0" if version == "1" else f"HTTP/{version}",
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": scope["server"][1],
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(),
    }
    for name, value in scope["headers"]:
        if variable := _variable(name):
            text = value.decode("latin-1")
            environ[variable] = _joined(variable, environ[variable], text) if variable in environ else text
    return environ


def _percent_encoded(query: bytes) -> str:
    """Return a query in ASCII. From latin-1, which PEP 3333 asks for, Django would build another URL."""
    return query.decode() if query.isascii() else quote(query, safe=string.punctuation)


# The names that clients send are few. One is at most as long as the server's buffer.
@lru_cache(maxsize=256)
def _variable(name: bytes) -> str | None:
    # `X_Forwarded_For` would have the variable of `X-Forwarded-For`, which a proxy sets.
    if b"_" in name:
        return None
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in _WITHOUT_PREFIX else f"HTTP_{variable}"


def _joined(variable: str, *values: str) -> str:
    return ("; " if variable == "HTTP_COOKIE" else ",").join(values)
