"""Form fields with the API's rules."""

from typing import Any

from django import forms
from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import StrictJSONObjectField
from orchestrator.json_codec import from_json, to_json


class JSONObjectField(forms.Field):
    """A JSON object, as the API would take it; nothing at all is an empty one."""

    widget = forms.Textarea(attrs={"class": "vLargeTextField"})

    def prepare_value(self, value: Any) -> Any:
        """Return an object as text to edit; text that was sent as it came."""
        return value if isinstance(value, str) else to_json(value, indent=True).decode()

    def to_python(self, value: Any) -> Any:
        """Return the object that a text holds."""
        try:
            return StrictJSONObjectField().run_validation(from_json((value or "").strip() or "{}"))
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}", code="invalid") from error
        except serializers.ValidationError as error:
            raise forms.ValidationError([str(detail) for detail in error.detail], code="invalid") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether the text holds another object than the first."""
        try:
            return bool(self.to_python(data) != (initial or {}))
        except forms.ValidationError:
            return True
