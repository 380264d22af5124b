"""The shape of everything that is cached: a change of it makes the entries of other code a miss."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from django.conf import settings


def cached_shapes() -> Iterator[str]:
    """Yield the package's version, and the fields of the cached user and of each serializer with their types.

    Two processes that run the same code yield the same.
    """
    # Imported when the first entry is looked for: they come with the whole API, which few commands need.
    from orchestrator.api import serializers  # noqa: PLC0415
    from orchestrator.auth import cached_users  # noqa: PLC0415

    yield settings.VERSION
    yield ", ".join(f"{field.name}: {field.type}" for field in fields(cached_users.CachedUser))
    for name in sorted(serializers.__all__):
        yield f"{name} {_shape(getattr(serializers, name)())}"


def _shape(field: Any) -> str:
    """Return a serializer field's type, with its own fields if it is a serializer or a list of them."""
    nested = getattr(getattr(field, "child", field), "fields", {})
    inner = ", ".join(f"{name}: {_shape(each)}" for name, each in nested.items())
    return f"{type(field).__qualname__}({inner})"
