"""Addresses of requests, as answers name and repeat them."""

from typing import Final

from django.http import HttpRequest

_KEPT: Final = "orchestrator.address"


def absolute(request: HttpRequest) -> str:
    """Return the whole address that was asked, put together once a request.

    Raises:
        DisallowedHost: when it names a host that is not ours.
    """
    address = request.META.get(_KEPT)
    if address is None:
        address = request.META[_KEPT] = request.build_absolute_uri()
    return str(address)
