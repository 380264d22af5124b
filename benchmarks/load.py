"""Driving a web server with the same requests for some seconds: by wrk where it is, else by our client."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.testbed import ROOT
from tests.servers.web import HOST

WRK = shutil.which("wrk")
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m) *$", re.MULTILINE)

_SCRIPT = """
wrk.method = {method}
wrk.path = {path}
wrk.body = {body}
{headers}
"""
# A path with "{n}" is another one at each request. Only then is each request made anew: that takes processor
# time which the server could use.
_NUMBERED = """
local n = {first}
request = function()
    n = n + 1
    return wrk.format(nil, wrk.path .. string.format("%d", n) .. {rest})
end
"""


@dataclass(frozen=True)
class Request:
    """What is asked again and again.

    Args:
        path: of the address; "{n}" in it becomes another number at each request.
        method: of HTTP.
        headers: beside those of every request.
        body: sent with it.
    """

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class Load:
    """What came of it.

    Args:
        per_second: requests.
        p50: milliseconds that half of them were answered in.
        p99: milliseconds that 99 of 100 were answered in.
        processor: milliseconds of the worker's processor time for each; None where the system does not tell.
    """

    per_second: float
    p50: float
    p99: float
    processor: float | None = None


def drive(port: int, request: Request, *, seconds: float, connections: int, first: int = 0) -> Load:
    """Ask for some seconds over some connections.

    Args:
        port: of the server.
        request: what to ask.
        seconds: how long.
        connections: each asks again as soon as it was answered.
        first: the number before the first that ``{n}`` becomes.

    Raises:
        RuntimeError: an answer was no success.
    """
    driver = _by_wrk if WRK else _by_client
    return driver(port, request, seconds, connections, first)


def _by_wrk(port: int, request: Request, seconds: float, connections: int, first: int) -> Load:
    path, mark, rest = request.path.partition("{n}")
    script = (_SCRIPT + _NUMBERED if mark else _SCRIPT).format(
        method=json.dumps(request.method),
        body=json.dumps(request.body) if request.body else "nil",
        headers="\n".join(
            f"wrk.headers[{json.dumps(key)}] = {json.dumps(value)}" for key, value in request.headers.items()
        ),
        first=first,
        path=json.dumps(path),
        rest=json.dumps(rest),
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        options = [
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--latency",
            "--timeout",
            "30s",
            "-s",
            file.name,
        ]
        output = subprocess.run(  # noqa: S603
            [str(WRK), *options, f"http://{HOST}:{port}"], check=True, text=True, capture_output=True
        ).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{request.method} {request.path} failed:\n{output}")
    found = {percent: float(value) * _UNITS[unit] for percent, value, unit in _LATENCY.findall(output)}
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if not per_second or found.keys() < {"50", "99"}:
        raise RuntimeError(f"{request.method} {request.path} was not answered once:\n{output}")
    return Load(float(per_second[1]), found["50"], found["99"])


def _by_client(port: int, request: Request, seconds: float, connections: int, first: int) -> Load:
    asked = {
        "port": port,
        "path": request.path,
        "method": request.method,
        "headers": dict(request.headers),
        "body": request.body,
        "seconds": seconds,
        "connections": connections,
        "first": first,
    }
    # A process of its own: this one's garbage and threads shall not slow it down.
    client = Path(__file__).with_name("load_client.py")
    done = subprocess.run(  # noqa: S603
        [sys.executable, client],
        input=json.dumps(asked),
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{request.method} {request.path} failed:\n{done.stderr}")
    return Load(**json.loads(done.stdout))
