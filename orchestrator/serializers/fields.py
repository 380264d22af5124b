"""Fields that take JSON at its word: a number is no text. Only forms, which know nothing else, send it."""

import re
from typing import Any, NoReturn
from uuid import UUID

from django.db import models
from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from orchestrator.encoding import from_json, is_deeper, texts_in, to_json
from orchestrator.limits import INT32_LARGEST, INT32_SMALLEST, JSON_DEEPEST, JSON_LARGEST_BYTES
from orchestrator.messages import shown


def _from_form(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Tell whether the field's value comes from a form of the browsable pages."""
    return isinstance(getattr(field.root, "initial_data", None), QueryDict)


class Text(serializers.CharField):
    """A string, without NUL and half surrogate pairs."""

    default_error_messages = {"invalid": "{input} is not a string."}

    def to_internal_value(self, data: Any) -> str:
        """Return the string, without white space at its ends unless the field keeps it."""
        if not isinstance(data, str):
            self.fail("invalid", input=shown(data))
        return super().to_internal_value(data)


class Secret(serializers.CharField):
    """A password or token: taken as it is, and never shown, not even in an error."""

    default_error_messages = {"invalid": "This is not a string."}

    def __init__(self, **kwargs: Any) -> None:
        """Make a field that is only written, and not trimmed."""
        style = {"input_type": "password", "autocomplete": "new-password"}
        super().__init__(**{"write_only": True, "trim_whitespace": False, "style": style, **kwargs})

    def get_value(self, dictionary: Any) -> Any:
        """Return what was sent; a form that changes a row sends an empty field for "as it was"."""
        value = super().get_value(dictionary)
        return empty if value == "" and _from_form(self) and getattr(self.root, "partial", False) else value

    def to_internal_value(self, data: Any) -> str:
        """Return the string as it is."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Email(serializers.EmailField):
    """An e-mail address."""

    default_error_messages = {"invalid": '"%(value)s" is not an e-mail address, such as name@example.org.'}

    def to_internal_value(self, data: Any) -> str:
        """Return the address, its domain in lower case."""
        if not isinstance(data, str):
            raise serializers.ValidationError(f"{shown(data)} is not a string.", code="invalid")
        name, at, domain = super().to_internal_value(data).rpartition("@")
        return f"{name}{at}{domain.lower()}"


class WholeNumber(serializers.IntegerField):
    """A whole number of 32 bits."""

    default_error_messages = {"invalid": "{input} is not a whole number from {smallest} to {largest}."}

    def __init__(self, *, min_value: int | None = None, max_value: int | None = None, **kwargs: Any) -> None:
        """Make a field of 32 bits, or of the narrower limits that are given."""
        self.smallest = INT32_SMALLEST if min_value is None else max(min_value, INT32_SMALLEST)
        self.largest = INT32_LARGEST if max_value is None else min(max_value, INT32_LARGEST)
        super().__init__(min_value=self.smallest, max_value=self.largest, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if isinstance(data, str) and _from_form(self) and re.fullmatch(r"\s*-?[0-9]{1,10}\s*", data):
            data = int(data)
        if type(data) is not int or not self.smallest <= data <= self.largest:
            self.fail("invalid", input=shown(data), smallest=self.smallest, largest=self.largest)
        return data


class Truth(serializers.BooleanField):
    """True or false."""

    default_error_messages = {"invalid": "{input} is neither true nor false."}
    # The pages' forms send a false of their own, so that what is missing from a form is missing.
    default_empty_html = empty

    def to_internal_value(self, data: Any) -> bool:
        """Return the truth value."""
        if not isinstance(data, bool) and not _from_form(self):
            self.fail("invalid", input=shown(data))
        return bool(super().to_internal_value(data))


class Choice(serializers.ChoiceField):
    """One of several words; the error names them."""

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        """Raise the error ``key``."""
        if key != "invalid_choice":
            super().fail(key, **kwargs)
        allowed = ", ".join(str(choice) for choice in self.choices)
        raise serializers.ValidationError(f"{shown(kwargs['input'])} is not one of: {allowed}.", code=key)

    def to_internal_value(self, data: Any) -> Any:
        """Return the word."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class Uuid(serializers.UUIDField):
    """A UUID."""

    default_error_messages = {"invalid": "{value} is not a UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        """Return the UUID."""
        if not isinstance(data, str):
            self.fail("invalid", value=shown(data))
        return super().to_internal_value(data)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class JSONObject(serializers.JSONField):
    """A JSON object of limited size and depth, without NUL."""

    default_error_messages = {
        "invalid": "This is not JSON.",
        "not_an_object": "{input} is not a JSON object.",
        "too_large": "The JSON has {size} bytes; allowed: at most {largest}.",
        "too_deep": "The JSON is nested deeper than the {deepest} levels that are allowed.",
        "nul": "The JSON holds a NUL character, which is not allowed.",
    }

    def __init__(self, **kwargs: Any) -> None:
        """Make a field that forms begin with an empty object."""
        super().__init__(**{"initial": dict, **kwargs})

    def get_value(self, dictionary: Any) -> Any:
        """Return the value that was sent; an empty text of a form is null where the field allows null."""
        value = super().get_value(dictionary)
        is_text = getattr(value, "is_json_string", False)
        return None if self.allow_null and is_text and value.strip() in ("", "null") else value

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object."""
        if getattr(data, "is_json_string", False):
            data = self._from_text(data)
        if not isinstance(data, dict):
            self.fail("not_an_object", input=shown(data))
        if is_deeper(data, JSON_DEEPEST):
            self.fail("too_deep", deepest=JSON_DEEPEST)
        if any("\0" in text for text in texts_in(data)):
            self.fail("nul")
        if (size := len(to_json(data))) > JSON_LARGEST_BYTES:
            self.fail("too_large", size=size, largest=JSON_LARGEST_BYTES)
        return data

    def _from_text(self, text: str) -> Any:
        try:
            return from_json(text)
        except ValueError:
            self.fail("invalid")


class ResourceSerializer(serializers.ModelSerializer[Any]):
    """A model's JSON, by the fields above."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.TextField: Text,
        models.EmailField: Email,
        models.IntegerField: WholeNumber,
        models.PositiveIntegerField: WholeNumber,
        models.PositiveSmallIntegerField: WholeNumber,
        models.BooleanField: Truth,
        models.JSONField: JSONObject,
    }
    serializer_choice_field = Choice
