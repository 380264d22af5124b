"""Prints the URL and the login as soon as the service is ready."""

import http.client
import json
import time
from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings

from kyros.run import output
from kyros.run.supervisor import Supervisor

#: The web server must become ready in this time; on a slow machine it needs two seconds.
READY_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1
RESPONSE_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Banner:
    """The text about the running service; `password` is None unless this start created the account."""

    password: str | None
    cache: str

    def print_when_ready(self, supervisor: Supervisor) -> None:
        """Print the banner as soon as the web server is ready; fail `supervisor` if that takes too long."""
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while (problem := _problem()) is not None:
            if time.monotonic() > deadline:
                seconds = f"{READY_TIMEOUT_SECONDS:.0f} seconds"
                supervisor.fail(f"the web server was not ready after {seconds}: {problem}")
                return
            time.sleep(POLL_SECONDS)
        output.line(self.text())

    def text(self) -> str:
        """Return the text of the banner."""
        lines = {
            "address": f"{service_url()}/",
            "login": settings.KYROS_ADMIN_USERNAME,
            "password": self._password(),
            "data": str(settings.KYROS_DATA_DIR),
            "database": _database(),
            "cache": self.cache,
            "stop": "Ctrl-C",
        }
        rows = (f"  {name:<9} {value}" for name, value in lines.items())
        return "\n".join(["", "Kyros Praxis orchestrator is running", *rows, ""])

    def _password(self) -> str:
        if self.password is None:
            return "unchanged (set a new one with `manage.py changepassword`)"
        if settings.KYROS_ADMIN_PASSWORD:
            return "the value of KYROS_ADMIN_PASSWORD"
        return f"{self.password}   (shown only once)"


def service_url() -> str:
    """Return the web server's URL for a browser, without a trailing slash."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - compared with
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def _database() -> str:
    default = settings.DATABASES["default"]
    if default["ENGINE"].endswith("sqlite3"):
        return f"SQLite, {default['NAME']}"
    return f"PostgreSQL, {default['NAME']} at {default['HOST'] or 'a local socket'}"


def _problem() -> str | None:
    """Return why the web server is not ready, or None if it is."""
    host = service_url().removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=RESPONSE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no response ({type(error).__name__})"
    finally:
        connection.close()
    if response.status == HTTPStatus.OK:
        return None
    return _reason(response.status, body)


def _reason(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return f"it returned {status}"
