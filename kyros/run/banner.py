"""Prints the URL and the login as soon as the service is ready."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from kyros.run import output
from kyros.run.supervisor import Supervisor

#: The web server must become ready in this time; on a slow machine it needs two seconds.
READY_TIMEOUT_SECONDS = 60.0
#: The cache server must be up this long after the web server; the circuit breaker tries it once a second.
CACHE_TIMEOUT_SECONDS = 3.0
POLL_SECONDS = 0.1
RESPONSE_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class ReadyzResponse:
    """A response of `/readyz`: why the web server is not ready, None if it is, and the state of the cache."""

    problem: str | None
    cache: str = "down"


@dataclass(frozen=True, kw_only=True)
class Banner:
    """The text about the running service; `password` is None unless this start created the account."""

    password: str | None
    cache: str

    def print_when_ready(self, supervisor: Supervisor) -> None:
        """Print the banner as soon as the web server is ready; fail `supervisor` if that takes too long."""
        state = _wait(READY_TIMEOUT_SECONDS, until=lambda state: state.problem is None)
        if state.problem is not None:
            seconds = f"{READY_TIMEOUT_SECONDS:.0f} seconds"
            supervisor.fail(f"the web server was not ready after {seconds}: {state.problem}")
            return
        state = _wait(CACHE_TIMEOUT_SECONDS, until=lambda state: state.cache != "down")
        output.line(self.text(state.cache))

    def text(self, cache_state: str) -> str:
        """Return the text of the banner; `cache_state` is what `/readyz` says of the cache."""
        down = f"down: {self.cache} cannot be used; `manage.py cache_health` says why"
        lines = {
            "address": f"{service_url()}/",
            "login": settings.KYROS_ADMIN_USERNAME,
            "password": self._password(),
            "data": str(settings.KYROS_DATA_DIR),
            "database": _database(),
            "cache": down if cache_state == "down" else self.cache,
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


def _wait(seconds: float, *, until: Callable[[ReadyzResponse], bool]) -> ReadyzResponse:
    """Return the first state for which `until` is true, or the last one after `seconds`."""
    deadline = time.monotonic() + seconds
    while not until(state := _readiness()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return state


def _readiness() -> ReadyzResponse:
    host = service_url().removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=RESPONSE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = json.loads(response.read())
        return ReadyzResponse(body.get("reason"), body["cache"])
    except (OSError, http.client.HTTPException) as error:
        return ReadyzResponse(f"no response ({type(error).__name__})")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ReadyzResponse(f"it returned {response.status}")
    finally:
        connection.close()
