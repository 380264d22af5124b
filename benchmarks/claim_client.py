"""Workers that claim jobs and complete them as fast as they can: one process, standard library only.

It reads a JSON object from standard input, as `benchmarks.suites.job_claims` writes it, and prints the result
as JSON.
"""

import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

CLAIM = "/api/v1/jobs/claim/"


class JsonConnection:
    """A keep-alive connection that sends and receives JSON.

    ``http.client`` would take as long to read a response's headers as the service to make them.
    """

    def __init__(self, host: str, port: int, token: str) -> None:
        """Connect."""
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._responses = self._socket.makefile("rb")
        self._headers = (
            f" HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: "
        )

    def send(self, method: str, path: str, body: Any) -> Any:
        """Return the response's body; raise ``RuntimeError`` unless the status is 200."""
        content = json.dumps(body)
        self._socket.sendall(f"{method} {path}{self._headers}{len(content)}\r\n\r\n{content}".encode())
        status, length = self._responses.readline(), 0
        while (line := self._responses.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        received = self._responses.read(length)
        if b" 200 " not in status:
            raise RuntimeError(f"{method} {path}: {status!r} {received[:500]!r}")
        return json.loads(received)

    def close(self) -> None:
        """Close the connection."""
        self._responses.close()
        self._socket.close()


def measure(spec: dict[str, Any]) -> dict[str, float]:
    """Let workers work for some seconds; return the number of their jobs, and how many seconds it took."""
    start = threading.Barrier(spec["workers"])
    with ThreadPoolExecutor(spec["workers"]) as threads:
        done = list(threads.map(lambda number: _work(spec, number, start), range(spec["workers"])))
    return {
        "jobs": sum(jobs for jobs, _, _ in done),
        "seconds": max(end for _, _, end in done) - min(begin for _, begin, _ in done),
    }


def _work(spec: dict[str, Any], number: int, start: threading.Barrier) -> tuple[int, float, float]:
    """Return how many jobs a worker did, and when it began and ended."""
    claim = {"worker": f"worker-{number}", "limit": spec["limit"]}
    with closing(JsonConnection(spec["host"], spec["port"], spec["token"])) as connection:
        connection.send("POST", CLAIM, claim)  # the first claim also writes the worker's row
        start.wait()
        jobs, began = 0, time.perf_counter()
        while time.perf_counter() - began < spec["seconds"]:
            claimed = connection.send("POST", CLAIM, claim)["jobs"]
            if len(claimed) < spec["limit"]:
                raise RuntimeError("no job is left; give the queue more, or measure for fewer seconds")
            for job in claimed if spec["complete"] else ():
                report = {"status": "completed", "lease_token": job["lease_token"]}
                connection.send("PUT", f"/api/v1/jobs/{job['id']}/status/", report)
            jobs += len(claimed)
        return jobs, began, time.perf_counter()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(json.load(sys.stdin))))
