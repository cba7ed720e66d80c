from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core import service_accounts
from core.api.base import ApiView
from core.api.fields import StrictCharField, StrictSerializer
from core.api.schema import problem_responses
from core.api.throttles import TokenThrottle
from core.service_accounts import IssuedTokens

_SCOPE_HELP = "Fewer scopes than the account has, separated by spaces. Left out: all of them."


class TokenRequestSerializer(StrictSerializer):
    name = StrictCharField(max_length=64, help_text="The service account's name.")
    secret = StrictCharField(max_length=256, help_text="What create_service_account printed.")
    scope = StrictCharField(max_length=200, required=False, help_text=_SCOPE_HELP)


class RefreshRequestSerializer(StrictSerializer):
    refresh = StrictCharField(max_length=4096, help_text="The refresh token.")
    scope = StrictCharField(max_length=200, required=False, help_text=_SCOPE_HELP)


class AccessSerializer(serializers.Serializer[IssuedTokens]):
    access = serializers.CharField(help_text="Send it as 'Authorization: Bearer …'.")
    expires_in = serializers.IntegerField(help_text="Seconds until the access token ends.")
    scope = serializers.CharField(help_text="What the access token allows, separated by spaces.")


class TokensSerializer(AccessSerializer):
    refresh = serializers.CharField(help_text="Gets new access tokens; ends when the account is revoked.")


# Proof of identity comes in the body, so there is nothing to authenticate before.
class PublicTokenView(ApiView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [TokenThrottle]


class TokenView(PublicTokenView):
    @extend_schema(
        operation_id="issue_token",
        summary="Get tokens for a service account",
        tags=["Tokens"],
        request=TokenRequestSerializer,
        responses={200: TokensSerializer, **problem_responses(400, 401, 413, 415, 422, 429)},
        examples=[
            OpenApiExample("Name and secret", {"name": "planning-agent", "secret": "…"}, request_only=True),
            OpenApiExample(
                "Tokens",
                {"access": "eyJ…", "refresh": "eyJ…", "expires_in": 1800, "scope": "crm:read crm:write"},
                response_only=True,
                status_codes=["200"],
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        given = TokenRequestSerializer.checked(request.data)
        tokens = service_accounts.issue_tokens(
            name=given["name"], secret=given["secret"], scope=given.get("scope"), now=timezone.now()
        )
        return Response(TokensSerializer(tokens).data)


class TokenRefreshView(PublicTokenView):
    @extend_schema(
        operation_id="refresh_token",
        summary="Get a new access token",
        tags=["Tokens"],
        request=RefreshRequestSerializer,
        responses={200: AccessSerializer, **problem_responses(400, 401, 413, 415, 422, 429)},
        examples=[OpenApiExample("Refresh token", {"refresh": "eyJ…"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        given = RefreshRequestSerializer.checked(request.data)
        tokens = service_accounts.refresh_access(
            refresh=given["refresh"], scope=given.get("scope"), now=timezone.now()
        )
        return Response(AccessSerializer(tokens).data)
