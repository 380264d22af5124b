"""Strict serializer fields: each accepts its own JSON type only, so a number is never taken for a string."""

from typing import Any, ClassVar, Final, NoReturn
from uuid import UUID

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.settings import api_settings

from orchestrator.json_codec import exceeds_depth, strings_in, to_json
from orchestrator.limits import MAX_INT32, MAX_JSON_BYTES, MAX_JSON_DEPTH, MIN_INT32
from orchestrator.listing.filters import ISO_8601

_NOT_A_FIELD: Final = api_settings.NON_FIELD_ERRORS_KEY
#: Characters of a value that an error message repeats.
_MAX_SHOWN: Final = 80


class _StrictField(serializers.Field[Any, Any, Any, Any]):
    """Refuses values of other JSON types before the field converts them."""

    json_type: ClassVar[tuple[type, str]] = (str, "a string")

    def to_internal_value(self, data: Any) -> Any:
        json_type, name = self.json_type
        if type(data) is not json_type:
            raise serializers.ValidationError(f"{shown(data)} is not {name}.", code="invalid")
        return super().to_internal_value(data)


class StrictCharField(_StrictField, serializers.CharField):
    """A string without NUL and without unpaired surrogates."""


class StrictBooleanField(_StrictField, serializers.BooleanField):
    """True or false."""

    json_type = (bool, "true or false")


class StrictUUIDField(serializers.UUIDField):
    """A UUID, as a string."""

    default_error_messages = {"invalid": "{value} is not a UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        """Return the UUID."""
        try:
            return UUID(data if isinstance(data, str) else "")
        except ValueError:
            self.fail("invalid", value=shown(data))


class StrictEmailField(_StrictField, serializers.EmailField):
    """An email address."""

    default_error_messages = {"invalid": '"%(value)s" is not an email address, such as name@example.org.'}

    def to_internal_value(self, data: Any) -> str:
        """Return the email address with its domain in lower case."""
        name, at, domain = super().to_internal_value(data).rpartition("@")
        return f"{name}{at}{domain.lower()}"


class StrictDateTimeField(_StrictField, serializers.DateTimeField):
    """A timestamp in ISO 8601."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the datetime."""
        if isinstance(data, str) and not ISO_8601.fullmatch(data.strip()):
            raise serializers.ValidationError(f"{shown(data)} is not ISO 8601.", code="invalid")
        return super().to_internal_value(data)


class SecretField(serializers.CharField):
    """A password or token: write-only, not trimmed, and not repeated in error messages."""

    default_error_messages = {"invalid": "This is not a string."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"write_only": True, "trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return the string unchanged."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Int32Field(serializers.IntegerField):
    """A 32-bit integer."""

    default_error_messages = {"invalid": "{input} is not an integer from {minimum} to {maximum}."}

    def __init__(self, *, min_value: int | None = None, max_value: int | None = None, **kwargs: Any) -> None:
        self.minimum = MIN_INT32 if min_value is None else max(min_value, MIN_INT32)
        self.maximum = MAX_INT32 if max_value is None else min(max_value, MAX_INT32)
        super().__init__(min_value=self.minimum, max_value=self.maximum, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        """Return the integer."""
        if type(data) is not int or not self.minimum <= data <= self.maximum:
            self.fail("invalid", input=shown(data), minimum=self.minimum, maximum=self.maximum)
        return data


class StrictChoiceField(serializers.ChoiceField):
    """One of several strings; the error message names them."""

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        """Raise the error ``key``."""
        if key != "invalid_choice":
            super().fail(key, **kwargs)
        allowed = ", ".join(str(choice) for choice in self.choices)
        message = f"Invalid value {shown(kwargs['input'])}. Allowed: {allowed}."
        raise serializers.ValidationError(message, code=key)


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
        # An empty object is what the browsable API's form starts with.
        super().__init__(**{"initial": dict, **kwargs})

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object."""
        if not isinstance(data, dict):
            self.fail("not_an_object", input=shown(data))
        if exceeds_depth(data, MAX_JSON_DEPTH):
            self.fail("too_deep", maximum=MAX_JSON_DEPTH)
        if any("\0" in text for text in strings_in(data)):
            self.fail("nul")
        if (size := len(to_json(data))) > MAX_JSON_BYTES:
            self.fail("too_large", size=size, maximum=MAX_JSON_BYTES)
        return data


class StrictListField(serializers.ListSerializer[Any]):
    """A list of objects, whose length is checked first. The errors of its items are a list, by position."""

    min_length: int
    max_length: int
    default_error_messages = {"length": "The list has {length} items. Allowed: {minimum} to {maximum}."}

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the items' values."""
        if not isinstance(data, list):
            raise serializers.ValidationError([f"{shown(data)} is not a list."])
        if not self.min_length <= len(data) <= self.max_length:
            message = self.error_messages["length"]
            bounds = {"minimum": self.min_length, "maximum": self.max_length}
            raise serializers.ValidationError([message.format(length=len(data), **bounds)])
        values, errors = [], {}
        for index, item in enumerate(data):
            try:
                values.append(self.run_child_validation(item))
            except serializers.ValidationError as error:
                detail = error.detail
                errors[index] = detail if isinstance(detail, dict) else {_NOT_A_FIELD: detail}
        if errors:
            raise serializers.ValidationError([errors.get(index, {}) for index in range(len(data))])
        return values


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
        models.DateTimeField: StrictDateTimeField,
        models.JSONField: StrictJSONObjectField,
    }
    serializer_choice_field = StrictChoiceField


def shown(value: Any) -> str:
    """Return a value as JSON, cut to a readable length; a list or an object only as ``[…]`` or ``{…}``."""
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else "[…]"
    text = to_json(value).decode()
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
