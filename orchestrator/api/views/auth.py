"""Signing in: a name and a password, or a refresh token, for fresh tokens."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from orchestrator.api.serializers import Credentials, RefreshRequest, TokenResponse
from orchestrator.auth.authentication import BearerAuthentication
from orchestrator.auth.tokens import InvalidToken, issue_tokens, user_for_token
from orchestrator.models import User


class _TokenView(APIView):
    """A view that gives tokens.

    It looks at no credentials but those in the body: an expired token in a header is why clients come here.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    serializer_class: type[Serializer[Any]]

    def get_authenticate_header(self, request: Request) -> str:
        """Return what a 401 tells the client to bring."""
        return BearerAuthentication().authenticate_header(request)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Serializer[Any]:
        """Return the serializer of the body, which the browsable page makes its form of."""
        return self.serializer_class(*args, **kwargs)

    def validated(self) -> dict[str, Any]:
        """Return what the body asks for."""
        serializer = self.get_serializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def tokens(self, user: User) -> Response:
        """Return the answer with fresh tokens for the user; no cache may keep it."""
        return Response(asdict(issue_tokens(user)), headers={"Cache-Control": "no-store"})


class LoginView(_TokenView):
    """Sign in."""

    serializer_class = Credentials

    @extend_schema(request=Credentials, responses=TokenResponse)
    def post(self, request: Request) -> Response:
        """Give tokens for a user name and a password."""
        user = authenticate(request, **self.validated())
        if user is None:
            raise AuthenticationFailed("No active user has this name and password.")
        return self.tokens(user)


class RefreshView(_TokenView):
    """Stay signed in."""

    serializer_class = RefreshRequest

    @extend_schema(request=RefreshRequest, responses=TokenResponse)
    def post(self, request: Request) -> Response:
        """Give fresh tokens for a refresh token."""
        try:
            return self.tokens(user_for_token(self.validated()["refresh_token"], "refresh"))
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from error
