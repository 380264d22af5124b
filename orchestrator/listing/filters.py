"""The four kinds of filters: exact, one of several values, range of time, prefix of a text.

Each reads its value from query parameters, and knows its condition, its OpenAPI parameters and a sample value
for tests and plans.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from django.db.models import Q, TextChoices
from django.utils import timezone

from monitoring.formatting import iso_timestamp
from orchestrator.limits import MAX_INT32, MIN_INT32
from orchestrator.listing.errors import invalid_value

#: The form of a timestamp. Python's parser accepts any character before the offset, Django's the digits of
#: all scripts.
ISO_8601: Final = re.compile(r"[0-9W-]+([T ][0-9:]+([.,][0-9]+)?(Z|[+-][0-9:.]+)?)?", re.IGNORECASE)

_FIRST_SURROGATE: Final = 0xD800
_AFTER_SURROGATES: Final = 0xE000

Parameters = Mapping[str, str]
Schema = Mapping[str, Any]


class Period(NamedTuple):
    """A range of time: ``after`` ≤ t < ``before``; None is no bound."""

    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class Filter:
    """A filter of a list; it is one of the kinds below.

    Args:
        name: the filter's name, which is also its query parameter.
        sample: a value that few rows have, for tests and plans.
        column: the column it compares; by default the one of the filter's name.
        api: whether the API offers it.
        console: whether the console offers it.
        alone: whether no other filter is served beside it.
        orders_by: columns, one of which must be the order's first; empty for any.
        help: the description in the API's documentation.
    """

    #: Whether it compares its column with one value. If not, it is served in order of this column only.
    is_equality: ClassVar[bool] = True

    name: str
    _: KW_ONLY
    sample: Any
    column: str = ""
    api: bool = True
    console: bool = True
    alone: bool = False
    orders_by: tuple[str, ...] = ()
    help: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", self.column or self.name)
        if not self.is_equality:
            object.__setattr__(self, "orders_by", (self.column,))

    @property
    def sample_value(self) -> Any:
        """The sample, as ``read`` returns values."""
        return self.sample

    @property
    def schema(self) -> Schema:
        """The OpenAPI schema of a value."""
        return {"type": "string"}

    @property
    def parameters(self) -> Mapping[str, Schema]:
        """The OpenAPI schema of each query parameter, by name."""
        return {self.name: {**self.schema, "description": self.help or f"One value of `{self.column}`."}}

    def read(self, parameters: Parameters) -> Any:
        """Return the value in query parameters, or None where there is none.

        Raises:
            InvalidQuery: when a parameter has a value that is not allowed.
        """
        text = parameters.get(self.name)
        return self.parse(text) if text else None

    def parse(self, text: str) -> Any:
        """Return the value of a parameter's text, None for blanks; raise ``InvalidQuery`` if not allowed."""
        if "\0" in text:  # PostgreSQL stores none
            raise invalid_value(self.name, text.replace("\0", "\\0"), "text without null characters")
        return text.strip() or None

    def texts(self, value: Any) -> dict[str, str]:
        """Return the query parameters of a value."""
        return {self.name: str(value)}

    def condition(self, value: Any) -> Q:
        """Return the condition that a row passes the filter."""
        # Not "=", which Django writes for a boolean as a bare column: no index of SQLite serves that.
        return Q(**{f"{self.column}__in": [value]})


@dataclass(frozen=True)
class Exact(Filter):
    """Rows whose column has one value of a type: ``str``, ``int`` (32 bits) or ``UUID``.

    Args:
        pattern: a regular expression of all texts that the column can have.
    """

    value_type: type[str] | type[int] | type[UUID] = str
    pattern: str = ".*"

    @property
    def schema(self) -> Schema:
        """The OpenAPI schema of a value."""
        if self.value_type is int:
            return {"type": "integer", "format": "int32", "minimum": MIN_INT32, "maximum": MAX_INT32}
        return {"type": "string", "format": "uuid"} if self.value_type is UUID else super().schema

    def parse(self, text: str) -> Any:
        """Return the value of a parameter's text, None for blanks."""
        if self.value_type is int:
            return _int32(self.name, text)
        if self.value_type is UUID:
            return _uuid(self.name, text)
        value = super().parse(text)
        if value and not re.fullmatch(self.pattern, value, re.DOTALL):
            raise invalid_value(self.name, text, f"text of the form {self.pattern}")
        return value


@dataclass(frozen=True)
class OneOf(Filter):
    """Rows whose column has one of several values.

    Args:
        choices: ``TextChoices``, or ``bool`` for a boolean column.
    """

    choices: type[TextChoices] | type[bool] = bool

    @property
    def labels(self) -> Mapping[str, str]:
        """What people call each value, by its text."""
        if issubclass(self.choices, TextChoices):
            return dict(self.choices.choices)
        return {"true": "Yes", "false": "No"}

    @property
    def schema(self) -> Schema:
        """The OpenAPI schema of a value."""
        return {"type": "boolean"} if self.choices is bool else {"type": "string", "enum": list(self.labels)}

    def parse(self, text: str) -> Any:
        """Return the value of a parameter's text; booleans are not case-sensitive."""
        key = text.lower() if self.choices is bool else text
        if key not in self.labels:
            raise invalid_value(self.name, text, ", ".join(self.labels))
        return key == "true" if self.choices is bool else key

    def texts(self, value: Any) -> dict[str, str]:
        """Return the query parameters of a value."""
        return {self.name: str(value).lower() if self.choices is bool else str(value)}


@dataclass(frozen=True)
class Range(Filter):
    """Rows whose time is in a half-open range, listed in order of this time.

    The range of ``created_at`` has the parameters ``created_after`` and ``created_before``.

    Args:
        sample: how long ago the sample range began; it ends now.
    """

    is_equality: ClassVar[bool] = False

    sample: timedelta

    @property
    def bounds(self) -> tuple[str, str]:
        """The parameters of the two bounds."""
        stem = self.name.removesuffix("_at")
        return f"{stem}_after", f"{stem}_before"

    @property
    def sample_value(self) -> Period:
        """A range that ends now."""
        now = timezone.now()
        return Period(now - self.sample, now)

    @property
    def parameters(self) -> Mapping[str, Schema]:
        """The OpenAPI schema of each query parameter, by name."""
        # Without the format "date-time": dates, and times without an offset, are allowed.
        texts = (f"`{self.column}` at this time or later; ISO 8601.", f"`{self.column}` before this time.")
        pairs = zip(self.bounds, texts, strict=True)
        return {name: {"type": "string", "description": text} for name, text in pairs}

    def read(self, parameters: Parameters) -> Period | None:
        """Return the range in query parameters, or None where there is none."""
        texts = [(name, parameters.get(name)) for name in self.bounds]
        period = Period(*(_datetime(name, text) if text else None for name, text in texts))
        return period if any(period) else None

    def texts(self, value: Period) -> dict[str, str]:
        """Return the query parameters of a range."""
        pairs = zip(self.bounds, value, strict=True)
        return {name: iso_timestamp(bound) for name, bound in pairs if bound is not None}

    def condition(self, value: Period) -> Q:
        """Return the condition that a row's time is in the range."""
        bounds = {f"{self.column}__gte": value.after, f"{self.column}__lt": value.before}
        return Q(**{lookup: bound for lookup, bound in bounds.items() if bound is not None})


@dataclass(frozen=True)
class Prefix(Filter):
    """Rows whose text begins with a prefix, case-sensitively, in order of that text.

    The column sorts by code point (``ByteOrderedCharField``), so that an index range finds them.
    """

    is_equality: ClassVar[bool] = False

    help: str = "The beginning of the text, case-sensitive. The list is in order of the text."

    def parse(self, text: str) -> str:
        """Return the prefix; blanks count."""
        super().parse(text)
        return text

    def condition(self, value: str) -> Q:
        """Return the condition that a row's text begins with the prefix."""
        end = _first_text_after(value)
        return Q(**{f"{self.column}__gte": value} | ({f"{self.column}__lt": end} if end else {}))


def _first_text_after(prefix: str) -> str:
    """Return the first text, by code points, after all that begin with ``prefix``; "" if there is none."""
    stem = prefix.rstrip(chr(sys.maxunicode))
    if not stem:
        return ""
    following = ord(stem[-1]) + 1
    # Surrogates are no characters: no text has one.
    return stem[:-1] + chr(_AFTER_SURROGATES if following == _FIRST_SURROGATE else following)


def _int32(name: str, text: str) -> int:
    if re.fullmatch(r"-?[0-9]{1,10}", text) and MIN_INT32 <= int(text) <= MAX_INT32:
        return int(text)
    raise invalid_value(name, text, f"a whole number from {MIN_INT32} to {MAX_INT32}")


def _uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError as error:
        raise invalid_value(name, text, "a UUID") from error


def _datetime(name: str, text: str) -> datetime:
    """Return the datetime of a parameter's text; without an offset it is in UTC."""
    try:
        time = datetime.fromisoformat(text.strip() if ISO_8601.fullmatch(text.strip()) else "")
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        allowed = 'ISO 8601, such as 2026-11-23T09:00:00Z (write "+" as %2B in a URL)'
        raise invalid_value(name, text, allowed) from error
