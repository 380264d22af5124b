"""Users."""

from typing import Any, ClassVar

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import ResourceSerializer, SecretField, StrictCharField
from orchestrator.choices import Role
from orchestrator.limits import MAX_PASSWORD_LENGTH, MAX_USERNAME_LENGTH
from orchestrator.models import User


class UserSerializer(ResourceSerializer):
    """A user. The password is write-only."""

    # Uniqueness is checked by the database when the row is written: any earlier check is a race.
    username = StrictCharField(max_length=MAX_USERNAME_LENGTH, validators=[User.username_validator])
    password = SecretField(max_length=MAX_PASSWORD_LENGTH)

    class Meta:
        model = User
        fields = ("id", "username", "email", "role", "active", "created_at", "password")
        extra_kwargs: ClassVar = {
            "email": {"validators": []},
            "role": {"initial": Role.USER},
            "active": {"initial": True},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values if the password, where there is one, passes the password validators."""
        if "password" in attrs:
            known = {name: getattr(self.instance, name, "") for name in ("username", "email")}
            user = User(**{name: attrs.get(name, value) for name, value in known.items()})
            try:
                validate_password(attrs["password"], user)
            except ValidationError as error:
                raise serializers.ValidationError({"password": error.messages}) from error
        return attrs
