"""Bodies in chunks, which have no length, over the real web server."""

import http.client
import json
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from orchestrator.models import Job
from tests.users import PASSWORD, make_user


@pytest.fixture
def post(web):
    """A function that posts pieces of a body as chunks and returns the status."""
    make_user("user")
    address = urlsplit(web(workers=1)).netloc

    def send(path, *pieces, **headers):
        with closing(http.client.HTTPConnection(address, timeout=30)) as connection:
            connection.putrequest("POST", path)
            all_headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", **headers}
            for name, value in all_headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # answered before all of it was sent
                for piece in (*pieces, b""):
                    connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            answer = connection.getresponse()
            return answer.status, answer.read()

    return send


# The web server's own doing, the same on both.
@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_chunked_body_is_read_whole_up_to_the_limit(post):
    status, body = post("/auth/login/", b'{"username": "user", ', f'"password": "{PASSWORD}"}}'.encode())
    assert status == 200
    bearer = {"Authorization": f"Bearer {json.loads(body)['access_token']}"}
    assert post("/api/v1/jobs/", b'{"name": ', b'"in chunks"}', **bearer)[0] == 201
    assert Job.objects.get().name == "in chunks"
    assert post("/api/v1/jobs/", *[b"x" * 100_000] * 20, **bearer)[0] == 413
    assert post("/api/v1/jobs/", b'{"name": ', **bearer)[0] == 400
    assert Job.objects.count() == 1
