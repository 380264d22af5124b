"""Entity tags: what an answer's body is called, and whether a client's copy or edit is up to date (RFC 9110)."""

from hashlib import blake2b
from http import HTTPStatus

from django.http import HttpRequest
from django.utils.cache import patch_vary_headers

from django.utils.http import parse_etags
from rest_framework.response import Response

_BYTES = 16


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of an answer's body, with its quotes."""
    return f'"{blake2b(body, digest_size=_BYTES).hexdigest()}"'


def is_current(if_match: str, etag: str) -> bool:
    """Tell whether ``If-Match`` admits the representation: by strong comparison, so that a weak tag never does."""
    admitted = parse_etags(if_match)
    return "*" in admitted or etag in admitted


def is_known(if_none_match: str, etag: str) -> bool:
    """Tell whether a client that sends ``If-None-Match`` has this representation already, by weak comparison."""
    known = parse_etags(if_none_match)
    return "*" in known or etag in (tag.removeprefix("W/") for tag in known)


def make_conditional(request: HttpRequest, response: Response) -> None:
    """Give a rendered JSON answer its entity tag, and take its body away if the client has it already (304)."""
    if response.accepted_renderer.format != "json":
        return
    etag = etag_of(response.content)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Authorization", "Cookie"))
    if is_known(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.content = b""
        del response["Content-Type"]
