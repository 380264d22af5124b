"""Login and refresh."""

from typing import Any

from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import SecretField, StrictCharField
from orchestrator.limits import MAX_PASSWORD_LENGTH, MAX_TOKEN_LENGTH, MAX_USERNAME_LENGTH


class Credentials(serializers.Serializer[Any]):
    """The body of ``POST /auth/login/``."""

    username = StrictCharField(max_length=MAX_USERNAME_LENGTH)
    password = SecretField(max_length=MAX_PASSWORD_LENGTH)


class RefreshRequest(serializers.Serializer[Any]):
    """The body of ``POST /auth/refresh/``."""

    refresh_token = SecretField(max_length=MAX_TOKEN_LENGTH)


class TokenResponse(serializers.Serializer[Any]):
    """The response of both."""

    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["bearer"])
    expires_in = serializers.IntegerField(help_text="Lifetime of the access token in seconds.")
