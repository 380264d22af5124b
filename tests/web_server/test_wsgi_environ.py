"""The WSGI environment of a request."""

import os

import pytest

from kyros.web_server.wsgi_environ import environ_of

pytestmark = pytest.mark.engine_neutral

SCOPE = {
    "method": "GET",
    "raw_path": b"/",
    "query_string": b"",
    "http_version": "1.1",
    "server": ("127.0.0.1", "8000"),
    "client": ("192.0.2.1", "50000"),
    "scheme": "http",
    "headers": [],
}


def environ(*headers, **scope):
    return environ_of({**SCOPE, **scope, "headers": headers})


def test_path_is_decoded_to_bytes_as_latin_1():
    made = environ(raw_path=b"/caf%C3%A9/%FF%2f", query_string=b"name=%C3%A9")
    assert made["PATH_INFO"] == "/caf\xc3\xa9/\xff/"
    assert made["QUERY_STRING"] == "name=%C3%A9"


def test_bytes_of_a_query_that_are_not_ascii_are_percent_encoded():
    # curl sends a URL as it was typed; its response must not be cached as that to "name=%C3%83%C2%A9".
    made = environ(query_string='name=é&more=%C3%A9+"x"'.encode())
    assert made["QUERY_STRING"] == 'name=%C3%A9&more=%C3%A9+"x"'


def test_repeated_headers_are_joined():
    made = environ((b"accept", b"a"), (b"cookie", b"a=1"), (b"accept", b"b"), (b"cookie", b"b=2"))
    assert (made["HTTP_ACCEPT"], made["HTTP_COOKIE"]) == ("a,b", "a=1; b=2")


def test_content_headers_have_no_prefix():
    made = environ((b"content-type", b"text/plain"), (b"content-length", b"3"))
    assert (made["CONTENT_TYPE"], made["CONTENT_LENGTH"]) == ("text/plain", "3")


def test_header_with_an_underscore_does_not_pass_for_a_proxys():
    made = environ((b"x-forwarded-for", b"192.0.2.7"), (b"x_forwarded_for", b"10.0.0.1"))
    assert made["HTTP_X_FORWARDED_FOR"] == "192.0.2.7"


@pytest.mark.parametrize(("version", "protocol"), [("1", "HTTP/1.0"), ("1.1", "HTTP/1.1")])
def test_protocol(version, protocol):
    assert environ(http_version=version)["SERVER_PROTOCOL"] == protocol


def test_it_holds_nothing_of_the_process_environment():
    assert not set(os.environ) & set(environ())
