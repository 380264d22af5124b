"""Requests: their ids, their durations, and what is logged."""

import json
import logging
import tracemalloc
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from django.http import HttpResponse
from django.test import Client
from rest_framework.test import APIClient

from monitoring import query_stats, request_ids
from monitoring.logs import MAX_REFUSAL_LENGTH, JsonFormatter, RefusalFilter, RequestIdFilter
from monitoring.middleware import ObservabilityMiddleware
from orchestrator.models import Task, User
from tests.http_client import HttpClient
from tests.users import PASSWORD

pytestmark = pytest.mark.django_db


class TestIds:
    def test_every_response_has_one(self, api: APIClient):
        first, second = api.get("/healthz"), api.get("/nowhere")
        assert len({first["X-Request-ID"], second["X-Request-ID"]}) == 2

    def test_a_valid_id_of_the_client_is_kept(self, api: APIClient):
        assert api.get("/healthz", headers={"X-Request-ID": "abc-1"})["X-Request-ID"] == "abc-1"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "a\\n"])
    def test_an_invalid_id_of_the_client_is_replaced(self, api: APIClient, given: str):
        assert api.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"] != given

    def test_it_is_in_every_log_line(self):
        record = logging.makeLogRecord({"msg": "hello %s", "args": ("you",), "levelname": "INFO", "ms": 3})
        token = request_ids.current.set("abc-1")
        try:
            RequestIdFilter().filter(record)
        finally:
            request_ids.current.reset(token)
        line = json.loads(JsonFormatter().format(record))
        assert line["request_id"] == "abc-1"
        assert line["message"] == "hello you"
        assert line["ms"] == 3
        assert line["time"].endswith("Z")

    def test_responses_served_before_django_have_one(self):
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [environ["HTTP_X_REQUEST_ID"].encode()]

        headers = {}
        body = request_ids.RequestIds(application)({}, lambda _, given: headers.update(dict(given)))
        assert headers["X-Request-ID"].encode() == b"".join(body)


class TestTiming:
    def test_responses_carry_their_timing_with_debug(self, as_user: APIClient, settings):
        assert "Server-Timing" not in as_user.get("/api/v1/tasks/")
        settings.DEBUG = True
        assert "db;dur=" in as_user.get("/api/v1/tasks/?limit=7")["Server-Timing"]

    def test_the_path_of_a_slow_request_cannot_write_lines_of_the_log(self, client, settings, caplog):
        settings.SLOW_REQUEST_MS = 0
        client.get("/no/%0a2026-11-28 ERROR root: forged%1b[2J")
        (record,) = (each for each in caplog.records if each.name == "monitoring.requests")
        assert "GET /no/\\n2026-11-28 ERROR root: forged\\x1b[2J," in record.getMessage()

    def test_a_slow_request_is_logged_with_its_queries(self, as_user: APIClient, settings, caplog):
        settings.SLOW_REQUEST_MS = 0
        as_user.post("/api/v1/tasks/", {"title": "t"})
        (record,) = (each for each in caplog.records if each.name == "monitoring.requests")
        assert record.queries > 0
        assert "/api/v1/tasks/" in record.getMessage()


class TestStatements:
    def test_values_are_removed(self):
        text = "SELECT * FROM t WHERE a = 'se''cret' AND b IN (%s, %s, %s) AND c = 12 LIMIT 21"
        assert query_stats.normalize_sql(text) == "SELECT * FROM t WHERE a = ? AND b IN (…) AND c = ? LIMIT ?"

    def test_inserts_of_one_and_many_rows_are_the_same(self):
        one, many = ("INSERT INTO t (a, b) VALUES " + ", ".join(["(%s, %s)"] * rows) for rows in (1, 9))  # noqa: S608
        assert query_stats.normalize_sql(one) == query_stats.normalize_sql(many)

    def test_long_statements_take_little_memory(self):
        tracemalloc.start()
        try:
            for number in range(500):
                query_stats.normalize_sql(f"{number} {'(%s, %s), ' * 3000}")
            assert tracemalloc.get_traced_memory()[0] < 5_000_000  # without a limit 15 MB
        finally:
            tracemalloc.stop()

    def test_a_request_with_a_query_for_each_row_is_a_suspect(self, rf, settings):
        def view(request):
            for number in range(query_stats.MIN_REPETITIONS):
                Task.objects.filter(title=f"t{number}").first()
            return HttpResponse()

        before = sum(row["requests"] for row in query_stats.n_plus_one_suspects())
        ObservabilityMiddleware(view)(rf.get("/"))
        assert sum(row["requests"] for row in query_stats.n_plus_one_suspects()) == before + 1

    def test_the_sql_log_has_no_values(self, api: APIClient, settings, caplog, user):
        settings.SQL_ECHO = True
        caplog.set_level(logging.INFO, "monitoring.sql")
        api.post("/auth/login/", {"username": "user", "password": PASSWORD})
        text = "\n".join(each.getMessage() for each in caplog.records if each.name == "monitoring.sql")
        assert "SELECT" in text
        assert " ms " in text
        assert user.password not in text


# The web server's own doing, the same on both.
@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_cache_hit_on_the_real_server_has_an_id(web: Callable[..., str], user: User):
    client = HttpClient(web(workers=1)).sign_in("user")
    responses = [client.get("/api/v1/tasks/") for _ in range(5)]
    assert responses[-1].headers["X-Cache"] == "HIT"
    assert len({response.headers["X-Request-ID"] for response in responses}) == 5
    assert all(len(response.headers.get_all("X-Request-ID", [])) == 1 for response in responses)


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the handler of the settings writes."""
    (handler,) = (each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler)
    stream = StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda client: client.post("/admin/login/", b"x", "multipart/form-data; boundary="),
        lambda client: client.get("/admin/login/", dict.fromkeys(map(str, range(2000)), "x")),
        lambda client: client.get("/admin/login/", headers={"host": "not a host"}),
    ],
    ids=["a body that cannot be read", "too many parameters", "a wrong host"],
)
def test_a_refused_request_is_one_warning_without_a_traceback(
    client: Client, log: StringIO, request_of: Callable[[Client], HttpResponse]
):
    assert request_of(client).status_code == 400
    (line,) = log.getvalue().splitlines()
    assert " WARNING django." in line


def test_a_refused_request_is_one_short_line_of_the_log():
    error, text = ValueError("y" * 10_000), "x" * 10_000
    raised = (ValueError, error, None)
    record = logging.LogRecord("django.security.X", logging.ERROR, "f", 1, "%s", (text,), raised)
    RefusalFilter().filter(record)

    assert len(JsonFormatter().format(record)) < MAX_REFUSAL_LENGTH + 200
