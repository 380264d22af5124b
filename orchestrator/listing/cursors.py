"""Cursors: where a page of a list begins, as a text that clients carry but cannot change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.signing import BadSignature, Signer

from orchestrator.json_codec import from_json, to_json


class InvalidCursor(ValueError):
    """A cursor that this service did not make, or made for another list, filter or order."""


@dataclass(frozen=True)
class Cursor:
    """A position in a list, and the direction in which the page lies.

    Attributes:
        backward: whether the page is the one before the position.
        position: the values of the order's columns; empty for the first page or, backward, for the last one.
    """

    backward: bool = False
    position: tuple[Any, ...] = ()

    def encode(self, scope: Sequence[Any]) -> str:
        """Return the text for clients, valid only for the list, filters and order in ``scope``."""
        return _signer(scope).sign_object([self.backward, *self.position], serializer=_Serializer)


def decode(text: str, scope: Sequence[Any]) -> Cursor:
    """Return the cursor that a client sent back; its values are as JSON has them.

    Raises:
        InvalidCursor: when this service did not make it for this ``scope``.
    """
    try:
        backward, *position = _signer(scope).unsign_object(text, serializer=_Serializer)
    except (BadSignature, UnicodeEncodeError) as error:
        raise InvalidCursor from error
    return Cursor(backward, tuple(position))


def _signer(scope: Sequence[Any]) -> Signer:
    return Signer(sep=".", salt=f"orchestrator.cursors {to_json(scope).decode()}")


class _Serializer:
    dumps = staticmethod(to_json)
    loads = staticmethod(from_json)
