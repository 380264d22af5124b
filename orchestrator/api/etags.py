"""ETags and the conditional requests that use them (RFC 9110, sections 8.8.3 and 13.1)."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags

from orchestrator.cache import signing


def etag_of(body: bytes) -> str:
    """Return the strong ETag of a response body, with its quotes."""
    return f'"{signing.etag_of(body)}"'


def is_current(if_match: str, etag: str) -> bool:
    """Return whether ``If-Match`` names the ETag; a weak ETag never matches."""
    known = parse_etags(if_match)
    return "*" in known or etag in known


def is_known(if_none_match: str, etag: str) -> bool:
    """Return whether ``If-None-Match`` names the ETag, weakly compared."""
    if if_none_match in ("", etag):
        return if_none_match == etag
    known = parse_etags(if_none_match)
    return "*" in known or etag in (tag.removeprefix("W/") for tag in known)


def make_conditional(request: HttpRequest, response: HttpResponse, etag: str) -> None:
    """Set the ETag, with its quotes, of a JSON response; turn it into a 304 if the client has this body."""
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Accept", "Authorization", "Cookie"))
    if is_known(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.content = b""
        del response["Content-Type"]
