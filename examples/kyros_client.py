"""A client of the Kyros Praxis orchestrator, on httpx: copy it and change what you like.

    client = Client.from_environment()
    job = client.submit("summarise the inbox", queue="mail", priority=5)
    for event in client.follow(job["id"]):
        print(event["type"])

A request is repeated, after growing pauses, where a second one does no harm. `ApiError` is a response that is
not a success, httpx's `TransportError` a request without a response. Threads may share a client.
"""

import json
import os
import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import count
from typing import Any

import httpx

Json = dict[str, Any]

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 20.0
#: A request is repeated for so long.
PATIENCE_SECONDS = 60.0
#: The stream sends a comment every 15 seconds; a connection that is silent for longer is broken.
STREAM_TIMEOUT_SECONDS = 40.0
UNAUTHORIZED, TOO_MANY_REQUESTS, SERVER_ERROR = 401, 429, 500


class ApiError(Exception):
    """A response that is not a success: its `status` and, as far as it is JSON, its `body`."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.body: Json = {}
        with suppress(ValueError):
            self.body = json.loads(response.read())
        after = response.headers.get("Retry-After", "")
        self.retry_after = float(after) if after.isdecimal() else 0.0
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.status} {self.body}")


def may_pass(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    return (
        not isinstance(error, ApiError) or error.status == TOO_MANY_REQUESTS or error.status >= SERVER_ERROR
    )


def pause_seconds(attempt: int, error: Exception | None = None) -> float:
    """Return the pause after attempt 0, 1, …: exponential, full jitter, at least `Retry-After`."""
    longest = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempt, 10))
    return getattr(error, "retry_after", 0.0) + random.uniform(0, longest)


class Client:
    """Signs in as a user, or uses the tokens that it is given, and sends requests."""

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        refresh_token: str | None = None,
        **options: Any,
    ) -> None:
        """Create a client of the service at `url`; `options` are those of `httpx.Client`."""
        if not (username or token or refresh_token):
            raise ValueError("a client needs a username and password, or a token")
        self._http = httpx.Client(**{"base_url": url, "timeout": 30.0, "follow_redirects": True, **options})
        self._login = {"username": username, "password": password} if username else None
        self._token, self._refresh_token = token, refresh_token
        self._signing_in = threading.Lock()

    @classmethod
    def from_environment(cls) -> "Client":
        """Return a client for `KYROS_URL`, with `KYROS_USERNAME` and `KYROS_PASSWORD`, or `KYROS_TOKEN`."""
        names = ("username", "password", "token", "refresh_token")
        credentials = {name: os.environ.get(f"KYROS_{name.upper()}") for name in names}
        return cls(os.environ.get("KYROS_URL", "http://127.0.0.1:8000"), **credentials)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, name: str, *, key: str | None = None, **fields: Any) -> Json:
        """Create a job and return it. Calls with the same `key` create one job, for 24 hours."""
        return self._create("/api/v1/jobs/", {"name": name, **fields}, key)

    def submit_many(self, jobs: Sequence[Json], *, key: str | None = None) -> list[Json]:
        """Create up to 1,000 jobs, all or none, and return them."""
        created: list[Json] = self._create("/api/v1/jobs/bulk/", {"jobs": list(jobs)}, key)["jobs"]
        return created

    def claim(
        self, worker: str, *, queues: Sequence[str] = (), limit: int = 1, lease_seconds: int = 60
    ) -> list[Json]:
        """Return jobs that the worker has from now on, each with its `lease_token`; none if no job is due.

        It is not repeated: if only the response is lost, the jobs wait until their leases run out.
        """
        body = {"worker": worker, "limit": limit, "lease_seconds": lease_seconds}
        body |= {"queues": list(queues)} if queues else {}
        claimed: list[Json] = self._send("POST", "/api/v1/jobs/claim/", body, patience=0)["jobs"]
        return claimed

    def heartbeat(self, job: Json, *, lease_seconds: int = 60, progress: int | None = None) -> None:
        """Extend the lease of a claimed job. `ApiError` 409: it was cancelled, or its lease ran out."""
        body = {"lease_token": job["lease_token"], "lease_seconds": lease_seconds}
        body |= {} if progress is None else {"progress": progress}
        self._send("POST", f"/api/v1/jobs/{job['id']}/heartbeat/", body, patience=lease_seconds / 3)

    def report(self, job: Json, status: str, *, patience: float = PATIENCE_SECONDS, **fields: Any) -> None:
        """Set a claimed job's status, with a `reason` or a `result`. `ApiError` 409: as for `heartbeat`."""
        body = {"status": status, "lease_token": job["lease_token"], **fields}
        self._send("PUT", f"/api/v1/jobs/{job['id']}/status/", body, patience=patience)

    def rows(self, path: str) -> Iterator[Json]:
        """Yield every row of a list, page by page."""
        page: Json = {"next": path}
        while page["next"]:
            page = self._send("GET", page["next"])
            yield from page["results"]

    def follow(
        self, job_id: str | None = None, *, last_event_id: str | None = None, **filters: str
    ) -> Iterator[Json]:
        """Yield events without end, gap or repeat: those from now on, or one job's from its creation on."""
        if job_id and not last_event_id:
            for event in self.rows(f"/api/v1/events/?job={job_id}&ordering=created_at&limit=1000"):
                last_event_id = event["id"]  # the stream goes on after it
                yield event
        attempt = 0
        while True:
            failure = None
            try:
                for event_id, event in self._stream(last_event_id, job=job_id, **filters):
                    last_event_id, attempt = event_id, 0
                    yield event
            except (ApiError, httpx.TransportError) as error:
                if not may_pass(error):
                    raise
                failure = error
            time.sleep(pause_seconds(attempt, failure))
            attempt += 1

    def _stream(self, last_event_id: str | None, **filters: str | None) -> Iterator[tuple[str, Json]]:
        """Yield the id in the stream and the event, for each event until the stream ends."""
        options: Json = {
            "params": {name: value for name, value in filters.items() if value},
            "headers": {"Last-Event-ID": last_event_id} if last_event_id else {},
            "timeout": httpx.Timeout(30.0, read=STREAM_TIMEOUT_SECONDS),
        }
        with closing(self._authorized("GET", "/api/v1/events/stream/", stream=True, **options)) as response:
            yield from server_sent_events(response.iter_bytes())

    def _create(self, path: str, body: Json, key: str | None) -> Json:
        # The service knows a repeated request by its key.
        created: Json = self._send("POST", path, body, headers={"Idempotency-Key": key or str(uuid.uuid4())})
        return created

    def _send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        **options: Any,
    ) -> Any:
        """Return the JSON of a response; repeat the request for `patience` seconds while that may help."""
        deadline = time.monotonic() + patience
        for attempt in count():
            try:
                return self._authorized(method, path, json=body, **options).json()
            except (ApiError, httpx.TransportError) as error:
                pause = pause_seconds(attempt, error)
                if not may_pass(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
        raise AssertionError

    def _authorized(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        stream: bool = False,
        **options: Any,
    ) -> httpx.Response:
        """Send one request, with a new token if there is none or the service no longer accepts it."""
        token, refused = self._token, None
        while True:
            token = token if token and not refused else self._new_token(token)
            request = self._http.build_request(
                method, path, headers={**(headers or {}), "Authorization": f"Bearer {token}"}, **options
            )
            response = self._http.send(request, stream=stream)
            if response.is_success:
                return response
            with closing(response):
                error = ApiError(response)
            if refused or error.status != UNAUTHORIZED or not (self._login or self._refresh_token):
                raise error
            refused = error

    def _new_token(self, old: str | None) -> str:
        """Return a token other than `old`; of several threads only the first signs in."""
        with self._signing_in:
            if self._token is None or self._token == old:
                tokens = self._sign_in()
                self._token, self._refresh_token = tokens["access_token"], tokens["refresh_token"]
            return self._token

    def _sign_in(self) -> Json:
        ways: list[tuple[str, Json]] = []
        ways += [("/auth/refresh/", {"refresh_token": self._refresh_token})] if self._refresh_token else []
        ways += [("/auth/login/", self._login)] if self._login else []
        for path, body in ways:
            response = self._http.post(path, json=body)
            if response.is_success:
                tokens: Json = response.json()
                return tokens
            if response.status_code != UNAUTHORIZED:
                break
        raise ApiError(response)


def server_sent_events(chunks: Iterable[bytes]) -> Iterator[tuple[str, Json]]:
    """Yield the id and the JSON of each event of a stream; skip comments."""
    rest, event_id, data = b"", "", ""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").decode().partition(":")
            if name == "id":
                event_id = value.strip()
            elif name == "data":
                data += value
            elif not (name or value) and data:
                yield event_id, json.loads(data)
                data = ""
