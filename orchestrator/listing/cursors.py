"""Cursors: where a page of a list begins, as a text that clients carry but cannot change."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.crypto import constant_time_compare, salted_hmac

from orchestrator.json_codec import from_json, to_json

_SIGNATURE_BYTES: Final = 16


class InvalidCursor(ValueError):
    """A cursor that this service did not make, or made for another list, filter or order."""


@dataclass(frozen=True)
class Cursor:
    """A position in a list, and the direction in which the page lies.

    Attributes:
        backward: whether the page is the one before the position.
        position: the values of the ordering columns there; none for the list's own end: its first page, or,
            backward, its last.
    """

    backward: bool = False
    position: tuple[Any, ...] = ()

    def encode(self, scope: Sequence[Any]) -> str:
        """Return the text for clients, valid only for the list, filters and order in ``scope``."""
        content = to_json([self.backward, *self.position])
        return _as_text(_signature(content, scope) + content)


def decode(text: str, scope: Sequence[Any]) -> Cursor:
    """Return the cursor that a client sent back; its values are as JSON has them.

    Raises:
        InvalidCursor: when this service did not make it for this ``scope``.
    """
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InvalidCursor from error
    if _as_text(raw) != text:  # several texts decode to the same bytes
        raise InvalidCursor
    signature, content = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not constant_time_compare(signature, _signature(content, scope)):
        raise InvalidCursor
    backward, *position = from_json(content)
    return Cursor(backward, tuple(position))


def _as_text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(content: bytes, scope: Sequence[Any]) -> bytes:
    keyed = salted_hmac("orchestrator.cursors", to_json(scope) + content, algorithm="sha256")
    return keyed.digest()[:_SIGNATURE_BYTES]
