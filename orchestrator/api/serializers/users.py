"""Users."""

from typing import Any, ClassVar

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import ResourceSerializer, SecretField, StrictCharField
from orchestrator.choices import Role
from orchestrator.limits import PASSWORD_LONGEST, USERNAME_LONGEST
from orchestrator.models import User


class UsernameField(StrictCharField):
    """A name to sign in with, in the one spelling of all that look the same."""

    def to_internal_value(self, data: Any) -> str:
        """Return the name in Unicode's normal form KC."""
        return User.normalize_username(super().to_internal_value(data))


class UserSerializer(ResourceSerializer):
    """A user; the password is only ever written."""

    # Whether a name or address is free only the database can tell, at the moment of writing.
    username = UsernameField(max_length=USERNAME_LONGEST)
    password = SecretField(max_length=PASSWORD_LONGEST)

    class Meta:
        model = User
        fields = ("id", "username", "email", "role", "active", "created_at", "password")
        extra_kwargs: ClassVar = {
            "email": {"validators": []},
            "role": {"initial": Role.USER},
            "active": {"initial": True},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values if the password, where there is one, is good enough for this user."""
        if "password" in attrs:
            known = {name: getattr(self.instance, name, "") for name in ("username", "email")}
            user = User(**{name: attrs.get(name, value) for name, value in known.items()})
            try:
                validate_password(attrs["password"], user)
            except ValidationError as error:
                raise serializers.ValidationError({"password": error.messages}) from error
        return attrs
