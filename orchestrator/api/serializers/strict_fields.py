"""Strict serializer fields: each accepts its own JSON type only, so a number is never taken for a string."""

from typing import Any, NoReturn
from uuid import UUID

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orchestrator.api.error_messages import format_value
from orchestrator.json_codec import exceeds_depth, strings_in, to_json
from orchestrator.limits import MAX_INT32, MAX_JSON_BYTES, MAX_JSON_DEPTH, MIN_INT32


class StrictCharField(serializers.CharField):
    """A string without NUL and without unpaired surrogates."""

    default_error_messages = {"invalid": "{input} is not a string."}

    def to_internal_value(self, data: Any) -> str:
        """Return the string, trimmed unless the field says otherwise."""
        if not isinstance(data, str):
            self.fail("invalid", input=format_value(data))
        return super().to_internal_value(data)


class SecretField(serializers.CharField):
    """A password or token: write-only, not trimmed, and not repeated in error messages."""

    default_error_messages = {"invalid": "This is not a string."}

    def __init__(self, **kwargs: Any) -> None:
        """Make the field write-only and untrimmed."""
        super().__init__(**{"write_only": True, "trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return the string unchanged."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictEmailField(serializers.EmailField):
    """An email address."""

    default_error_messages = {"invalid": '"%(value)s" is not an email address, such as name@example.org.'}

    def to_internal_value(self, data: Any) -> str:
        """Return the email address with its domain in lower case."""
        if not isinstance(data, str):
            raise serializers.ValidationError(f"{format_value(data)} is not a string.", code="invalid")
        name, at, domain = super().to_internal_value(data).rpartition("@")
        return f"{name}{at}{domain.lower()}"


class Int32Field(serializers.IntegerField):
    """A 32-bit integer."""

    default_error_messages = {"invalid": "{input} is not an integer from {minimum} to {maximum}."}

    def __init__(self, *, min_value: int | None = None, max_value: int | None = None, **kwargs: Any) -> None:
        """Set the bounds, which default to those of 32 bits."""
        self.minimum = MIN_INT32 if min_value is None else max(min_value, MIN_INT32)
        self.maximum = MAX_INT32 if max_value is None else min(max_value, MAX_INT32)
        super().__init__(min_value=self.minimum, max_value=self.maximum, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        """Return the integer."""
        if type(data) is not int or not self.minimum <= data <= self.maximum:
            self.fail("invalid", input=format_value(data), minimum=self.minimum, maximum=self.maximum)
        return data


class StrictBooleanField(serializers.BooleanField):
    """True or false."""

    default_error_messages = {"invalid": "{input} is neither true nor false."}

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean."""
        if not isinstance(data, bool):
            self.fail("invalid", input=format_value(data))
        return data


class StrictChoiceField(serializers.ChoiceField):
    """One of several strings; the error message names them."""

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        """Raise the error ``key``."""
        if key != "invalid_choice":
            super().fail(key, **kwargs)
        allowed = ", ".join(str(choice) for choice in self.choices)
        raise serializers.ValidationError(
            f"Invalid value {format_value(kwargs['input'])}. Allowed: {allowed}.", code=key
        )

    def to_internal_value(self, data: Any) -> Any:
        """Return the choice."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class StrictUUIDField(serializers.UUIDField):
    """A UUID."""

    default_error_messages = {"invalid": "{value} is not a UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        """Return the UUID."""
        if not isinstance(data, str):
            self.fail("invalid", value=format_value(data))
        return super().to_internal_value(data)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class StrictJSONObjectField(serializers.JSONField):
    """A JSON object of limited size and depth, without NUL."""

    default_error_messages = {
        "not_an_object": "{input} is not a JSON object.",
        "too_large": "The JSON object has {size} bytes. Allowed: at most {maximum}.",
        "too_deep": "The JSON object is nested too deeply. Allowed: at most {maximum} levels.",
        "nul": "The JSON object contains a NUL character, which is not allowed.",
    }

    def __init__(self, **kwargs: Any) -> None:
        """Let the browsable API's form start with an empty object."""
        super().__init__(**{"initial": dict, **kwargs})

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object."""
        if not isinstance(data, dict):
            self.fail("not_an_object", input=format_value(data))
        if exceeds_depth(data, MAX_JSON_DEPTH):
            self.fail("too_deep", maximum=MAX_JSON_DEPTH)
        if any("\0" in text for text in strings_in(data)):
            self.fail("nul")
        if (size := len(to_json(data))) > MAX_JSON_BYTES:
            self.fail("too_large", size=size, maximum=MAX_JSON_BYTES)
        return data


class ResourceSerializer(serializers.ModelSerializer[Any]):
    """A model serializer that uses the strict fields."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: StrictCharField,
        models.TextField: StrictCharField,
        models.EmailField: StrictEmailField,
        models.IntegerField: Int32Field,
        models.PositiveIntegerField: Int32Field,
        models.PositiveSmallIntegerField: Int32Field,
        models.BooleanField: StrictBooleanField,
        models.JSONField: StrictJSONObjectField,
    }
    serializer_choice_field = StrictChoiceField
