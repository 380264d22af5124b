"""Tells where the service is, once it answers."""

import http.client
import json
import time
from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings

from kyros.run import output
from kyros.run.supervisor import Supervisor

#: Seconds the web server has to become ready; it needs two on a slow machine.
READY_SECONDS = 60.0
POLL_SECONDS = 0.1
ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Banner:
    """What the person who started the service wants to know; `password` is None but for a new account."""

    password: str | None
    cache: str

    def when_ready(self, supervisor: Supervisor) -> None:
        """Say everything as soon as the web server is ready; end `supervisor` if it never is."""
        deadline = time.monotonic() + READY_SECONDS
        while (problem := _problem()) is not None:
            if time.monotonic() > deadline:
                supervisor.fail(f"the web server was not ready after {READY_SECONDS:.0f} seconds: {problem}")
                return
            time.sleep(POLL_SECONDS)
        output.line(self.text())

    def text(self) -> str:
        """Return the lines that describe the running service."""
        lines = {
            "address": f"{service_url()}/",
            "login": settings.KYROS_ADMIN_USERNAME,
            "password": self._password(),
            "data": str(settings.KYROS_DATA_DIR),
            "database": _database(),
            "cache": self.cache,
            "end": "Ctrl-C",
        }
        return "\n".join(["", "Kyros Praxis orchestrator", *(f"  {k:<9} {v}" for k, v in lines.items()), ""])

    def _password(self) -> str:
        if self.password is None:
            return "as it was (`manage.py changepassword` sets another)"
        if settings.KYROS_ADMIN_PASSWORD:
            return "as KYROS_ADMIN_PASSWORD gives it"
        return f"{self.password}   (shown this once)"


def service_url() -> str:
    """Return the web server's address as a browser takes it, without a slash at its end."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - any: here too
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def _database() -> str:
    default = settings.DATABASES["default"]
    if default["ENGINE"].endswith("sqlite3"):
        return f"SQLite, {default['NAME']}"
    return f"PostgreSQL, {default['NAME']} at {default['HOST'] or 'a local socket'}"


def _problem() -> str | None:
    """Return why the web server is not ready, or None if it is."""
    connection = http.client.HTTPConnection(service_url().removeprefix("http://"), timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Host": _allowed_host()})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"it does not answer ({type(error).__name__})"
    finally:
        connection.close()
    if response.status == HTTPStatus.OK:
        return None
    return _reason(response.status, body)


def _reason(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return f"it answers {status}"


def _allowed_host() -> str:
    """Return a name that `ALLOWED_HOSTS` lets through, whatever the address is that is asked."""
    first = settings.ALLOWED_HOSTS[0].removeprefix(".")
    return "localhost" if first == "*" else first
