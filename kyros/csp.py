"""The Content-Security-Policy of every HTML page: only files of this host are loaded and run."""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase
from django.http.request import split_domain_port

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
#: REST framework's, Swagger UI's and Django's error pages have inline styles; Swagger UI has inline images.
_FRAMEWORK_RULES: Final = {**_RULES, "style-src": "'self' 'unsafe-inline'", "img-src": "'self' data:"}


def _policy(rules: dict[str, str]) -> str:
    return "; ".join(f"{directive} {source}" for directive, source in rules.items())


FRAMEWORK_POLICY: Final = _policy(_FRAMEWORK_RULES)


def _console_policy(request: HttpRequest) -> str:
    """Return the policy of a page of the console, which follows the event stream's process."""
    try:
        host, _ = split_domain_port(request.get_host())
    except DisallowedHost:
        return _policy(_RULES)
    return _policy({**_RULES, "connect-src": f"'self' {request.scheme}://{host}:{settings.STREAM_PORT}"})


def content_security_policy(get_response: View) -> View:
    """Return a middleware that sends a policy with every HTML page, error pages included."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            match = request.resolver_match
            in_console = match is not None and "admin" in match.app_names
            policy = _console_policy(request) if in_console else FRAMEWORK_POLICY
            response.headers["Content-Security-Policy"] = policy
        return response

    return middleware
