"""Form fields with the API's rules."""

from typing import Any

from django import forms
from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import StrictJSONObjectField
from orchestrator.json_codec import from_json, to_json


class JSONObjectField(forms.Field):
    """A JSON object by the API's rules; an empty text is an empty object."""

    widget = forms.Textarea(attrs={"class": "vLargeTextField"})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else to_json(value, indent=True).decode()

    def to_python(self, value: Any) -> Any:
        try:
            return StrictJSONObjectField().run_validation(from_json((value or "").strip() or "{}"))
        except ValueError as error:
            raise forms.ValidationError(f"Invalid JSON: {error}", code="invalid") from error
        except serializers.ValidationError as error:
            raise forms.ValidationError([str(detail) for detail in error.detail], code="invalid") from error
