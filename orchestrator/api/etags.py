"""Entity tags: the names of answers' bodies, by which clients tell what they have (RFC 9110, 8.8.3)."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags

from orchestrator.cache import seals


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of an answer's body, with its quotes."""
    return f'"{seals.etag_of(body)}"'


def is_current(if_match: str, etag: str) -> bool:
    """Tell whether ``If-Match`` admits the representation; a weak tag never does."""
    admitted = parse_etags(if_match)
    return "*" in admitted or etag in admitted


def is_known(if_none_match: str, etag: str) -> bool:
    """Tell whether ``If-None-Match`` says that the client has this representation, weakly compared."""
    if if_none_match in ("", etag):
        return if_none_match == etag
    known = parse_etags(if_none_match)
    return "*" in known or etag in (tag.removeprefix("W/") for tag in known)


def make_conditional(request: HttpRequest, response: HttpResponse, etag: str) -> None:
    """Give a JSON answer its entity tag; make it a 304 if the client has it already.

    Args:
        request: what is answered.
        response: the answer, rendered.
        etag: of its body, with quotes.
    """
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Accept", "Authorization", "Cookie"))
    if is_known(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.content = b""
        del response["Content-Type"]
