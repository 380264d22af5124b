"""Requests with a large head are refused before anything of them is remembered."""

import pytest

from kyros.request_size import MAX_HEAD_LENGTH
from tests.http_client import HttpClient

LIST = "/api/v1/jobs/"


@pytest.fixture
def server(web, user):
    return HttpClient(web(workers=1)).sign_in(user.username)


HEADERS = (
    "X-Forwarded-Proto",
    "X-Forwarded-For",
    "Origin",
    "Accept",
    "Cookie",
    "If-None-Match",
    "X-Anything",
)


def test_a_large_head_is_431(server):
    long = "x" * MAX_HEAD_LENGTH
    responses = [server.get(f"{LIST}?{long}"), server.get(f"{LIST}{long}/")]
    for name in HEADERS:
        sender = HttpClient(server.url, {**server.headers, name: long})
        responses += [sender.get(LIST), sender.get("/healthz"), sender.post("/auth/login/", {})]
    assert {response.status for response in responses} == {431}
    assert str(MAX_HEAD_LENGTH) in responses[0].json()["detail"]
    assert responses[0].headers["X-Request-ID"]


def test_a_head_within_the_limit_is_served(server):
    allowed = "x" * (MAX_HEAD_LENGTH - 2000)
    assert server.get(f"{LIST}?unknown={allowed}").status == 400
    for name in HEADERS[:3] + HEADERS[4:]:
        assert HttpClient(server.url, {**server.headers, name: allowed}).get(LIST).status == 200
    assert server.get(LIST).status == 200
