"""Login with username and password, and refresh with a refresh token: both return new tokens."""

from http import HTTPStatus
from typing import Any

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator.api.serializers import Credentials, RefreshRequest, TokenResponse
from orchestrator.auth.authentication import BearerAuthentication
from orchestrator.auth.tokens import InvalidToken, current_user_for, decode, issue_tokens
from orchestrator.models import User


class _TokenView(GenericAPIView[Any]):
    """A view that issues tokens.

    It reads credentials from the body only: a client with an expired token in its header must get a new one.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        """Return the ``WWW-Authenticate`` header of a 401."""
        return BearerAuthentication().authenticate_header(request)

    def validated(self) -> dict[str, Any]:
        """Return the body's valid values."""
        serializer = self.get_serializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def tokens(self, user: User) -> Response:
        """Return a response with new tokens, which no cache may store."""
        return Response(issue_tokens(user), headers={"Cache-Control": "no-store"})


class LoginView(_TokenView):
    """Login."""

    error_responses = {
        "post": {
            HTTPStatus.UNAUTHORIZED: "Wrong username or password, or an inactive user.",
            HTTPStatus.TOO_MANY_REQUESTS: "Too many failed attempts; see `Retry-After`.",
        }
    }
    serializer_class = Credentials

    @extend_schema(request=Credentials, responses=TokenResponse)
    def post(self, request: Request) -> Response:
        """Return tokens for a username and a password."""
        user = authenticate(request, **self.validated())
        if user is None:
            raise AuthenticationFailed("Wrong username or password, or the user is inactive.")
        return self.tokens(user)


class RefreshView(_TokenView):
    """Refresh of tokens."""

    error_responses = {"post": {HTTPStatus.UNAUTHORIZED: "The refresh token is not valid."}}
    serializer_class = RefreshRequest

    @extend_schema(request=RefreshRequest, responses=TokenResponse)
    def post(self, request: Request) -> Response:
        """Return new tokens for a refresh token."""
        try:
            user = current_user_for(decode(self.validated()["refresh_token"], "refresh"))
            return self.tokens(user.as_user())
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from error
