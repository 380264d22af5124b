"""Login and refresh."""

from typing import Any

from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import SecretField
from orchestrator.api.serializers.users import UsernameField
from orchestrator.limits import PASSWORD_LONGEST, TOKEN_LONGEST, USERNAME_LONGEST


class Credentials(serializers.Serializer[Any]):
    """The body of ``POST /auth/login/``."""

    username = UsernameField(max_length=USERNAME_LONGEST)
    password = SecretField(max_length=PASSWORD_LONGEST)


class RefreshRequest(serializers.Serializer[Any]):
    """The body of ``POST /auth/refresh/``."""

    refresh_token = SecretField(max_length=TOKEN_LONGEST)


class TokenResponse(serializers.Serializer[Any]):
    """The response of both."""

    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["bearer"])
    expires_in = serializers.IntegerField(help_text="Lifetime of the access token in seconds.")
