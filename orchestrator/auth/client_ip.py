"""The IP address of a client, behind trusted proxies too."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from django.conf import settings

IPAddress = IPv4Address | IPv6Address

#: One client usually has a whole IPv6 network of this size.
_IPV6_PREFIX: Final = 64


def client_network(meta: Mapping[str, Any]) -> str:
    """Return what identifies a request's client: its IPv4 address, or the /64 network of its IPv6 address.

    Each proxy appends its peer's address to ``X-Forwarded-For``. The header is read from the right, while
    the addresses are in ``TRUSTED_PROXIES``: what a client wrote itself is to the left of its own address.
    """
    ip = _parsed(meta.get("REMOTE_ADDR", ""))
    forwarded = meta.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while ip and forwarded and _is_proxy(ip):
        previous = _parsed(forwarded.pop())
        if previous is None:
            break
        ip = previous
    if isinstance(ip, IPv6Address):
        return str(ip_network((int(ip), _IPV6_PREFIX), strict=False))
    return str(ip or "")


def _is_proxy(ip: IPAddress) -> bool:
    return any(ip in network for network in settings.TRUSTED_PROXIES)


def _parsed(text: str) -> IPAddress | None:
    """Return an address, also of ``1.2.3.4:5678`` and ``[2001:db8::1]:5678``; None for any other text."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
