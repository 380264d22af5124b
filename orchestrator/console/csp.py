"""The Content-Security-Policy of the operators' pages: only files of this host are loaded and run."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponseBase

View = Callable[[HttpRequest], HttpResponseBase]

_RULES: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
POLICY: Final = "; ".join(f"{directive} {source}" for directive, source in _RULES.items())


def content_security_policy(get_response: View) -> View:
    """Return a middleware that sends the policy with every page of the admin, error pages included."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        match = request.resolver_match
        if match is not None and "admin" in match.app_names:
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware
