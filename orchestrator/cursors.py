"""Cursors: where a page of a list begins, in a text that clients carry but cannot change."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.crypto import constant_time_compare, salted_hmac

from orchestrator.encoding import from_json, to_json

_TAG_BYTES: Final = 16


class BrokenCursor(ValueError):
    """A cursor that we did not make, or made for another list."""


@dataclass(frozen=True)
class Cursor:
    """A position in a list, and which way the page lies.

    Attributes:
        backward: whether the page is the one before the position.
        position: the values of the ordering columns there; none means the list's own end: its first page,
            or, backward, its last.
    """

    backward: bool = False
    position: tuple[Any, ...] = ()

    def encode(self, scope: Sequence[Any]) -> str:
        """Return the text for clients, good only for the list, filters and order that ``scope`` tells of."""
        content = to_json([self.backward, *self.position])
        return urlsafe_b64encode(_tag(content, scope) + content).rstrip(b"=").decode()


def decode(text: str, scope: Sequence[Any]) -> Cursor:
    """Return the cursor that a client sent back; its values are as JSON has them.

    Raises:
        BrokenCursor: when it is not one of ours for this ``scope``.
    """
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BrokenCursor from error
    tag, content = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not constant_time_compare(tag, _tag(content, scope)):
        raise BrokenCursor
    backward, *position = from_json(content)
    return Cursor(backward, tuple(position))


def _tag(content: bytes, scope: Sequence[Any]) -> bytes:
    keyed = salted_hmac("orchestrator.cursors", to_json(scope) + content, algorithm="sha256")
    return keyed.digest()[:_TAG_BYTES]
