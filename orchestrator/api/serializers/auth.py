"""Signing in."""

from typing import Any

from rest_framework import serializers

from orchestrator.api.serializers.strict_fields import SecretField
from orchestrator.api.serializers.users import UsernameField
from orchestrator.limits import PASSWORD_LONGEST, TOKEN_LONGEST, USERNAME_LONGEST


class Credentials(serializers.Serializer[Any]):
    """What ``POST /auth/login/`` takes."""

    username = UsernameField(max_length=USERNAME_LONGEST)
    password = SecretField(max_length=PASSWORD_LONGEST)


class RefreshRequest(serializers.Serializer[Any]):
    """What ``POST /auth/refresh/`` takes."""

    refresh_token = SecretField(max_length=TOKEN_LONGEST)


class TokenResponse(serializers.Serializer[Any]):
    """What both answer."""

    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds that the access token is good for.")
