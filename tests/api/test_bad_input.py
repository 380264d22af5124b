"""Whatever a client sends: a clear answer from 400 to 499, nothing stored, never a 500.

Refusals are tested on one engine: the request is refused before the database sees it. What is stored is
tested on both.
"""

import json
from http import HTTPStatus

import pytest
from django.db.models import Model

from orchestrator.models import Event, Job, Task, User
from tests.users import PASSWORD

pytestmark = pytest.mark.django_db

JOBS, EVENTS, TASKS, USERS = (f"/api/v1/{name}/" for name in ("jobs", "events", "tasks", "users"))
GOOD = {
    JOBS: {"name": "Index documents"},
    EVENTS: {"type": "agent_started", "payload": {}},
    TASKS: {"title": "Label invoices"},
    USERS: {"username": "ada", "email": "ada@example.org", "password": "analytical engine no 1"},
}
MODELS: dict[str, type[Model]] = {JOBS: Job, EVENTS: Event, TASKS: Task, USERS: User}


def nested(levels: int) -> dict:
    """Return objects in one another, ``levels`` of them."""
    value: dict = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def padded(size: int) -> dict:
    """Return an object of ``size`` bytes of compact JSON."""
    return {"a": "x" * (size - len('{"a":""}'))}


BAD_FIELDS = [
    *[(JOBS, "name", value) for value in (None, "", "   ", 5, True, [], {}, "x" * 256, "a\0b")],
    *[(JOBS, "description", value) for value in (None, 5, [], "x" * 1025, "a\0b")],
    *[
        (JOBS, "priority", value)
        for value in (None, "", "5", "high", 1.5, 1.0, True, [], 2**31, -(2**31) - 1, 10**30)
    ],
    *[
        (JOBS, "metadata", value)
        for value in (None, [], "{}", 5, nested(101), nested(190), padded(64 * 1024 + 1))
    ],
    *[(JOBS, "metadata", value) for value in ({"a": "b\0"}, {"a\0": "b"}, {"a": [{"b": ["\0"]}]})],
    *[(EVENTS, "type", value) for value in (None, "", "  ", 5, "x" * 101, "a\0b")],
    *[
        (EVENTS, "payload", value)
        for value in (None, [], "x", 7, nested(101), padded(64 * 1024 + 1), {"a": "\0"})
    ],
    *[(TASKS, "title", value) for value in (None, "", "\t\n", 5, {}, "x" * 256, "a\0b")],
    *[(TASKS, "description", value) for value in (None, 5, "x" * 10_001, "a\0b")],
    *[(USERS, "username", value) for value in (None, "", " ", 5, "x" * 151, "a\0b", "ﷺ" * 100)],
    *[
        (USERS, "email", value)
        for value in (None, "", 5, "nobody", "a@b", f"{'x' * 250}@example.org", "a\0@example.org")
    ],
    *[(USERS, "role", value) for value in (None, "", 5, "root", "Admin", ["admin"])],
    *[(USERS, "active", value) for value in (None, "", "true", 1, "banana", [])],
    *[(USERS, "password", value) for value in (None, "", 123456789012, "short", "password", "x" * 4097)],
]


def title(value: object) -> str:
    text = repr(value)
    return text if len(text) < 24 else f"{text[:20]}…{len(text)}"  # unique among the values of a test


@pytest.mark.one_engine
@pytest.mark.parametrize("path", GOOD)
def test_an_invalid_field_is_named_and_nothing_is_stored(as_admin, path):
    before = MODELS[path].objects.count()
    for field, value in [case[1:] for case in BAD_FIELDS if case[0] == path]:
        answer, case = as_admin.post(path, {**GOOD[path], field: value}), (field, title(value))
        assert answer.status_code == HTTPStatus.BAD_REQUEST, (case, answer.content)
        assert list(answer.json()) == [field], case
        assert all(isinstance(message, str) and message for message in answer.json()[field]), case
        assert MODELS[path].objects.count() == before, case


@pytest.mark.one_engine
@pytest.mark.parametrize("path", GOOD)
def test_missing_fields_are_named(as_admin, path):
    required = {JOBS: {"name"}, EVENTS: {"type", "payload"}, TASKS: {"title"}}
    answer = as_admin.post(path, {})
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert set(answer.json()) == required.get(path, {"username", "email", "password"})


BAD_BODIES = {
    "empty": b"",
    "not JSON": b"{name: 1}",
    "cut off": b'{"name": "x"',
    "trailing": b'{"name": "x"} {}',
    "list": b'[{"name": "x"}]',
    "text": b'"name"',
    "number": b"5",
    "null": b"null",
    "true": b"true",
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "half a surrogate pair": b'{"name": "\\ud83d"}',
    "half a surrogate pair inside": b'{"name": "x", "metadata": {"a": "\\udc00"}}',
    "NUL": b'{"name": "a\\u0000b"}',
    "raw NUL": b'{"name": "a\x00b"}',
    "NaN": b'{"name": "x", "metadata": {"a": NaN}}',
    "infinite": b'{"name": "x", "metadata": {"a": 1e999}}',
    "endless number": b'{"name": "x", "metadata": {"a": ' + b"9" * 5000 + b"}}",
    "1,000 deep": b'{"name": "x", "metadata": ' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
    "1,000 deep lists": b'{"name": "x", "metadata": {"a": ' + b"[" * 1000 + b"]" * 1000 + b"}}",
    "1,000 deep in a name": b'{"name": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "100,000 deep": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.one_engine
@pytest.mark.parametrize("path", [JOBS, EVENTS, TASKS, USERS, "/auth/login/", "/auth/refresh/"])
def test_a_malformed_body_is_400(as_admin, path):
    for name, body in BAD_BODIES.items():
        answer = as_admin.generic("POST", path, body, content_type="application/json")
        assert answer.status_code == HTTPStatus.BAD_REQUEST, (name, answer.content)
        assert answer.json(), name
    assert not Job.objects.exists()


@pytest.mark.one_engine
@pytest.mark.parametrize("path", [JOBS, "/auth/login/"])
@pytest.mark.parametrize("told", [None, "20000000", "10"])
@pytest.mark.slow
def test_a_body_of_20_megabytes_is_413(as_user, path, told):
    body = b'{"name": "' + b"x" * 20_000_000 + b'"}'
    headers = {} if told is None else {"CONTENT_LENGTH": told}
    answer = as_user.generic("POST", path, body, content_type="application/json", **headers)
    wanted = HTTPStatus.BAD_REQUEST if told == "10" else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert answer.status_code == wanted, answer.content[:300]
    assert not Job.objects.exists()


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
    ],
)
def test_a_body_of_another_media_type_is_415(as_user, kind):
    answer = as_user.generic("POST", JOBS, b"name=x", content_type=kind)
    assert answer.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert "detail" in answer.json()


@pytest.mark.one_engine
def test_accepting_only_another_media_type_is_406(as_user):
    answer = as_user.get(JOBS, HTTP_ACCEPT="application/xml")
    assert answer.status_code == HTTPStatus.NOT_ACCEPTABLE
    assert "detail" in answer.json()


NOBODY = "01939b2e-7d2a-7c3a-9b1e-2f6d5c4b3a29"
WRONG_IDS = ["1", "banana", "%00", NOBODY, NOBODY[:-1], "ü", "a.b", "0" * 10_000, "{}", "%ff"]
METHODS = [
    *[("get", path) for path in (JOBS, EVENTS, TASKS, USERS)],
    *[(method, path) for path in (JOBS, TASKS, USERS) for method in ("patch", "delete")],
    ("put", TASKS),
]


@pytest.mark.one_engine
@pytest.mark.parametrize(("method", "path"), METHODS)
def test_an_unknown_id_is_404(as_admin, path, method):
    for wrong in WRONG_IDS:
        answer = getattr(as_admin, method)(f"{path}{wrong}/", GOOD[path] if method != "get" else None)
        assert answer.status_code == HTTPStatus.NOT_FOUND, title(wrong)
        assert list(answer.json()) == ["detail"], title(wrong)


@pytest.mark.one_engine
@pytest.mark.parametrize("part", ["status", "events"])
def test_an_action_on_an_unknown_job_is_404(as_user, part):
    for wrong in WRONG_IDS:
        path = f"{JOBS}{wrong}/{part}/"
        answer = as_user.put(path, {"status": "running"}) if part == "status" else as_user.get(path)
        assert answer.status_code == HTTPStatus.NOT_FOUND, title(wrong)
        assert list(answer.json()) == ["detail"], title(wrong)


BAD_QUERIES = [
    *[
        (JOBS, "status", value)
        for value in ("banana", "Pending", "%00", "pending,running", "null", "%25s", "100%25")
    ],
    *[
        (JOBS, "priority", value)
        for value in ("high", "1.5", "2147483648", "-2147483649", "9" * 400, "%00", "٣")
    ],
    *[(JOBS, "queue", value) for value in ("A", "a%20b", "a%0Ab", "ä")],
    *[
        (path, field, value)
        for path, field in [
            (JOBS, "created_after"),
            (JOBS, "created_before"),
            (JOBS, "started_after"),
            (JOBS, "completed_after"),
            (EVENTS, "created_after"),
            (TASKS, "created_before"),
        ]
        for value in (
            "yesterday",
            "2026-13-01",
            "2026-02-30T00:00:00Z",
            "0001-01-01T00:00:00%2B14:00",
            "9999-12-31T23:59:59-10:00",
            "%00",
            "1790000000",
            "%25d",
            "2026-01-01T00:00:00+01:00",
            "2026-01-01T00:00:00%00Z",
            "2026-01-01T00:00:00xZ",
            "2026-01-01_00:00:00Z",
        )
    ],
    *[(EVENTS, "type", "a%00b"), (TASKS, "title", "a%00b"), (TASKS, "title_prefix", "a%00b")],
    *[(USERS, "role", "root"), (USERS, "active", "maybe"), (USERS, "active", "%00")],
    *[
        (path, "limit", value)
        for path in (JOBS, EVENTS, TASKS, USERS)
        for value in ("0", "-1", "abc", "1.5", "%2B5", "00", "٣", "%00", "1e3", "0x10")
    ],
    *[
        (path, "ordering", value)
        for path in (JOBS, EVENTS, TASKS, USERS)
        for value in ("banana", "id", "%00", "--priority")
    ],
    *[(JOBS, "ordering", "priority"), (TASKS, "ordering", "-title"), (USERS, "ordering", "password")],
    *[
        (path, "cursor", value)
        for path in (JOBS, EVENTS, TASKS, USERS)
        for value in ("banana", "%00", "AAAA", "A", "ü", "=", "e30", "A" * 5000)
    ],
]
NAMES_WHAT_IS_ALLOWED = {
    "status",
    "priority",
    "queue",
    "role",
    "active",
    "limit",
    "ordering",
    "cursor",
    "created_after",
}


@pytest.mark.one_engine
@pytest.mark.parametrize("path", [JOBS, EVENTS, TASKS, USERS])
def test_a_query_that_cannot_be_is_refused_and_says_what_is_allowed(as_moderator, path):
    for parameter, value in [case[1:] for case in BAD_QUERIES if case[0] == path]:
        answer = as_moderator.get(f"{path}?{parameter}={value}")
        assert answer.status_code == HTTPStatus.BAD_REQUEST, (parameter, value, answer.content)
        assert list(answer.json()) == [parameter], (parameter, value)
        if parameter in NAMES_WHAT_IS_ALLOWED:
            assert "Allowed: " in answer.json()[parameter][0], (parameter, value)


@pytest.mark.parametrize("query", ["status=", "ordering=&limit=&cursor=", "created_after=&priority="])
def test_an_empty_parameter_is_no_parameter(as_user, query):
    job = as_user.post(JOBS, GOOD[JOBS]).json()
    assert as_user.get(f"{JOBS}?{query}").json()["results"] == [job]


KEPT = [
    "🚀👩‍👩‍👧‍👦",
    "مرحبا بالعالم",
    "\u202eright to left\u202c",
    "a\nb\tc",
    "<script>alert(1)</script>",
    "'; DROP TABLE jobs; --",
    "\U0010ffff",
    "é",
]


@pytest.mark.parametrize("text", KEPT)
def test_text_is_stored_unchanged(as_user, text):
    metadata = {text: [text, {"a": text}]}
    job = as_user.post(JOBS, {"name": text, "description": text, "metadata": metadata}).json()
    assert (job["name"], job["description"], job["metadata"]) == (text, text, metadata)
    assert as_user.get(f"{JOBS}{job['id']}/").json() == job
    assert as_user.get(JOBS).json()["results"] == [job]


NUMBERS = [
    0,
    -1,
    2**53 + 1,
    2**63,
    -(2**63),
    2**64 - 1,
    2**64 + 1,
    10**40,
    1.5,
    1.0,
    0.0,
    -0.0,
    1e16,
    -1e16,
    1e22,
    1e308,
    5e-324,
    0.1,
    -0.5,
]


def exact(data: dict) -> str:
    """Return the text of JSON with each number's type, digits and sign, and the keys in their order."""
    return json.dumps(data)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "field"), [(JOBS, "metadata"), (EVENTS, "payload")])
def test_numbers_are_stored_exactly(as_user, path, field):
    sent = {"z": NUMBERS, "a": {"b": [{str(number): number} for number in NUMBERS]}}
    stored = as_user.post(path, {**GOOD[path], field: sent})
    assert stored.status_code == HTTPStatus.CREATED
    responses = {"POST": stored.json()}
    responses["detail"] = as_user.get(f"{path}{responses['POST']['id']}/").json()
    for cached in ("MISS", "HIT"):
        response = as_user.get(path)
        assert response["X-Cache"] == cached
        (responses[f"list, {cached}"],) = response.json()["results"]
    if path == JOBS:
        responses["PATCH"] = as_user.patch(f"{path}{responses['POST']['id']}/", {"name": "y"}).json()
    assert {name: exact(body[field]) for name, body in responses.items()} == dict.fromkeys(
        responses, exact(sent)
    )


def test_large_numbers_are_no_longer_in_a_response_than_as_sent(as_user):
    metadata = {"a": [1e308] * 9_000}
    created = as_user.post(JOBS, {"name": "x", "metadata": metadata})
    assert created.status_code == HTTPStatus.CREATED
    job = created.json()
    assert job["metadata"] == metadata
    for path in (JOBS, f"{JOBS}{job['id']}/"):
        response = as_user.get(path)
        assert response.status_code == HTTPStatus.OK
        assert len(response.content) < 64 * 1024


@pytest.mark.parametrize("operation", ["bulk_create", "bulk_update", "update"])
def test_numbers_are_stored_exactly_by_every_write_of_django(db, operation):
    jobs = [Job(name=str(number), metadata={"a": NUMBERS}, result={"a": [number]}) for number in NUMBERS]
    if operation == "bulk_create":
        Job.objects.bulk_create(jobs)
    else:
        blank = Job.objects.bulk_create(Job(pk=job.pk, name=job.name) for job in jobs)
        assert blank[0].metadata == {}
    if operation == "bulk_update":
        Job.objects.bulk_update(jobs, ["metadata", "result"])
    if operation == "update":
        for job in jobs:
            Job.objects.filter(pk=job.pk).update(metadata=job.metadata, result=job.result)
    stored = Job.objects.in_bulk([job.pk for job in jobs])
    assert [exact(stored[job.pk].result) for job in jobs] == [exact(job.result) for job in jobs]
    assert {exact(job.metadata) for job in stored.values()} == {exact({"a": NUMBERS})}


def test_values_at_the_limits_are_accepted(as_admin):
    largest = {
        JOBS: {
            "name": "x" * 255,
            "description": "x" * 1024,
            "priority": 2**31 - 1,
            "metadata": padded(64 * 1024),
        },
        EVENTS: {"type": "x" * 100, "payload": nested(100)},
        TASKS: {"title": "x" * 255, "description": "x" * 10_000},
        USERS: {**GOOD[USERS], "username": "x" * 150},
    }
    for path, body in largest.items():
        answer = as_admin.post(path, body)
        assert answer.status_code == HTTPStatus.CREATED, answer.content
        assert answer.json() == {**answer.json(), **{name: body[name] for name in body if name != "password"}}
    assert as_admin.post(JOBS, {"name": "x", "priority": -(2**31)}).status_code == HTTPStatus.CREATED


@pytest.mark.one_engine
def test_read_only_and_unknown_fields_are_ignored(as_user):
    body = {
        "name": "x",
        "id": NOBODY,
        "status": "completed",
        "attempts": 7,
        "result": {"a": 1},
        "progress": 50,
        "created_at": "1999-01-01T00:00:00Z",
        "worker": "me",
        "lease_token": "x",
        "banana": 1,
    }
    job = as_user.post(JOBS, body).json()
    assert job["id"] != body["id"]
    assert (job["status"], job["attempts"], job["worker"]) == ("pending", 0, None)
    assert (job["result"], job["progress"]) == (None, None)
    assert job["created_at"] > "2020"


@pytest.mark.one_engine
def test_login_takes_only_strings(api, user):
    for name, password in [
        (5, PASSWORD),
        ("user", 5),
        ("user", [PASSWORD]),
        ({"a": 1}, PASSWORD),
        ("a\0", "x"),
    ]:
        answer = api.post("/auth/login/", {"username": name, "password": password})
        assert answer.status_code == HTTPStatus.BAD_REQUEST
        assert PASSWORD not in answer.content.decode()
