"""Load on a web server for some seconds: by wrk where it is installed, else by the bundled client."""

import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.testbed import ROOT
from tests.servers.web import HOST

WRK = shutil.which("wrk")
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m) *$", re.MULTILINE)
_REQUESTS = re.compile(r"^\s+(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)

# Without a `request` function wrk builds the request once. Building each one in Lua would take processor time
# from the server.
_SCRIPT = """
wrk.method = {method}
wrk.path = {path}
wrk.body = {body}
{headers}
"""
_NUMBERED = """
local n = {first}
request = function()
    n = n + 1
    return wrk.format(nil, wrk.path .. string.format("%d", n) .. {rest})
end
"""


@dataclass(frozen=True)
class RequestSpec:
    """The request that is sent again and again.

    Args:
        path: with query string; "{n}" in it becomes the next number in each request.
        method: HTTP method.
        headers: all but ``Host`` and ``Content-Length``.
        body: "" for none.
    """

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class LoadResult:
    """Throughput and latency of one run.

    Args:
        requests: completed requests.
        requests_per_second: throughput.
        p50_ms: median latency, in milliseconds.
        p99_ms: 99th percentile of the latency, in milliseconds.
        cpu_ms: the worker's processor time per request, in milliseconds; None where it is not known.
    """

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None = None


def run_load(
    port: int, request: RequestSpec, *, seconds: float, connections: int, first: int = 0
) -> LoadResult:
    """Send a request again and again over keep-alive connections.

    Args:
        port: the server's port on this machine.
        request: what to send.
        seconds: duration; wrk takes whole seconds and rounds up.
        connections: each sends its next request when its response is complete.
        first: the number before the first that ``{n}`` becomes.

    Raises:
        RuntimeError: a response was neither 2xx nor 3xx, or no response came.
    """
    generator = _with_wrk if WRK else _with_bundled_client
    return generator(port, request, seconds, connections, first)


def _with_wrk(port: int, request: RequestSpec, seconds: float, connections: int, first: int) -> LoadResult:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(_wrk_script(request, first))
        file.flush()
        options = f"-t1 -c{connections} -d{math.ceil(seconds)}s --latency --timeout 30s -s {file.name}"
        output = subprocess.run(  # noqa: S603
            [str(WRK), *options.split(), f"http://{HOST}:{port}"], check=True, text=True, capture_output=True
        ).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{request.method} {request.path} failed:\n{output}")
    return _parse_wrk(request, output)


def _wrk_script(request: RequestSpec, first: int) -> str:
    path, mark, rest = request.path.partition("{n}")
    return (_SCRIPT + _NUMBERED if mark else _SCRIPT).format(
        method=json.dumps(request.method),
        body=json.dumps(request.body) if request.body else "nil",
        headers="\n".join(
            f"wrk.headers[{json.dumps(key)}] = {json.dumps(value)}" for key, value in request.headers.items()
        ),
        first=first,
        path=json.dumps(path),
        rest=json.dumps(rest),
    )


def _parse_wrk(request: RequestSpec, output: str) -> LoadResult:
    latencies = {percent: float(value) * _UNITS[unit] for percent, value, unit in _LATENCY.findall(output)}
    requests, rate = _REQUESTS.search(output), _RATE.search(output)
    if not requests or not int(requests[1]) or not rate or latencies.keys() < {"50", "99"}:
        raise RuntimeError(f"{request.method} {request.path} got no response:\n{output}")
    return LoadResult(int(requests[1]), float(rate[1]), latencies["50"], latencies["99"])


def _with_bundled_client(
    port: int, request: RequestSpec, seconds: float, connections: int, first: int
) -> LoadResult:
    run = {"host": HOST, "port": port, "seconds": seconds, "connections": connections, "first": first}
    # In a process of its own, so that this process's garbage collector and threads do not slow it down.
    client = Path(__file__).with_name("load_client.py")
    done = subprocess.run(  # noqa: S603
        [sys.executable, client],
        input=json.dumps({**run, **asdict(request)}),
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{request.method} {request.path} failed:\n{done.stderr}")
    return LoadResult(**json.loads(done.stdout))
