"""Measures the requests that Django handles. Responses served before Django do not pass here."""

import logging
import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from monitoring import connection_pools, prometheus, query_stats, request_ids
from monitoring.formatting import printable
from monitoring.query_stats import RequestQueries

logger = logging.getLogger("monitoring.requests")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ObservabilityMiddleware:
    """Measures requests and their statements, logs slow ones, and gives each request an id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        prometheus.make_metrics_dir()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle a request."""
        request_id = request_ids.identify(request.META)
        queries = RequestQueries()
        token = query_stats.current_request.set(queries)
        started = time.perf_counter()
        try:
            response = self._get_response(request)
        finally:
            query_stats.current_request.reset(token)
        seconds = time.perf_counter() - started
        if request_ids.HEADER_ADDED not in request.META:
            response[request_ids.HEADER] = request_id
        _record(request, response, seconds, queries)
        if settings.DEBUG:
            response["Server-Timing"] = _server_timing(seconds, queries)
        return response


def _record(request: HttpRequest, response: HttpResponse, seconds: float, queries: RequestQueries) -> None:
    route = request.resolver_match.route if request.resolver_match else "none"
    method = request.method if request.method in _METHODS else "other"
    prometheus.REQUESTS.labels(method, route, f"{response.status_code // 100}xx").observe(seconds)
    for statement in queries.repeated:
        prometheus.REPEATED.labels(route, query_stats.as_label(statement)).inc()
    if seconds * 1000 >= settings.SLOW_REQUEST_MS:
        prometheus.SLOW_REQUESTS.labels(route).inc()
        _log_slow(request, response, seconds, queries)
    connection_pools.observe()


def _log_slow(request: HttpRequest, response: HttpResponse, seconds: float, queries: RequestQueries) -> None:
    logger.warning(
        "Slow request: %s %s, status %d, took %.0f ms, %.0f ms of it in %d queries",
        request.method,
        printable(request.path),  # the client's, decoded: a line break would begin another line of the log
        response.status_code,
        seconds * 1000,
        queries.seconds * 1000,
        queries.count,
        extra={
            "ms": round(seconds * 1000, 1),
            "queries": queries.count,
            "query_ms": round(queries.seconds * 1000, 1),
        },
    )


def _server_timing(seconds: float, queries: RequestQueries) -> str:
    return (
        f'total;dur={seconds * 1000:.1f}, db;dur={queries.seconds * 1000:.1f};desc="{queries.count} queries"'
    )
