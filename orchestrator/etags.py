"""Entity tags: the names of answers' bodies, by which clients tell what they have (RFC 9110, 8.8.3)."""

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
    """Tell whether ``If-Match`` admits the representation; a weak tag never does."""
    admitted = parse_etags(if_match)
    return "*" in admitted or etag in admitted


def is_known(if_none_match: str, etag: str) -> bool:
    """Tell whether ``If-None-Match`` says that the client has this representation, weakly compared."""
    known = parse_etags(if_none_match)
    return "*" in known or etag in (tag.removeprefix("W/") for tag in known)


def make_conditional(request: HttpRequest, response: Response) -> None:
    """Give a rendered JSON answer its entity tag; make it a 304 if the client has it already."""
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
