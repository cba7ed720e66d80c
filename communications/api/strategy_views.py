"""Asking for a decision without making one, and what the reasons in decisions mean."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communications.api.answers import ReasonSerializer
from communications.api.examples import PREVIEW
from communications.api.forms import CommunicationRequestSerializer, submit_command
from communications.choices import ContentType, Role
from communications.rules.reasons import CATALOGUE
from communications.services.preview import Preview, preview_strategy
from core import clock
from core.api.base import ApiView
from core.api.fields import InstantField, StrictChoiceField
from core.api.parsers import MEGABYTE
from core.api.schema import problem_responses
from core.choices import Channel
from core.scopes import Scope

_Answer = serializers.Serializer[Any]


class PreviewRequestSerializer(CommunicationRequestSerializer):
    now = InstantField(
        required=False, allow_null=True, help_text="The instant to decide at. Left out: this one."
    )


class PreviewDeliverySerializer(_Answer):
    channel = StrictChoiceField(choices=Channel)
    role = StrictChoiceField(choices=Role)
    send_at = serializers.DateTimeField()
    send_at_local = serializers.CharField(help_text="The same instant in the client's timezone.")
    content_type = StrictChoiceField(choices=ContentType)
    priority = serializers.IntegerField(help_text="Lower goes first.")


class PreviewSerializer(_Answer):
    send = serializers.BooleanField(help_text="Whether anything would be sent; else the reasons say why not.")
    deliveries = PreviewDeliverySerializer(many=True, help_text="The primary's first.")
    fallbacks = serializers.ListField(child=serializers.CharField(), help_text="In order.")
    batch_key = serializers.CharField(allow_null=True, help_text="Of the digest that it would be held for.")
    reasons = ReasonSerializer(many=True)


class StrategyPreviewView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.READ}
    throttle_kind = "read"
    max_body_bytes = 28 * MEGABYTE

    @extend_schema(
        operation_id="preview_strategy",
        summary="The decision that a request would get",
        description=(
            "Takes the body of `POST communications` and an optional `now`, and answers which channels it would go "
            "out on, when, and why. Nothing is stored: a client who is not known yet stays unknown."
        ),
        tags=["Communications"],
        request=PreviewRequestSerializer,
        responses={200: PreviewSerializer, **problem_responses(400, 401, 403, 409, 413, 415, 422, 429, 503)},
        examples=PREVIEW,
    )
    def post(self, request: Request) -> Response:
        now = PreviewRequestSerializer.checked(request.data).get("now")
        body = {name: value for name, value in dict(request.data).items() if name != "now"}
        preview = preview_strategy(command=submit_command(body), now=now or clock.now())
        return Response(preview_answer(preview))


def preview_answer(preview: Preview) -> Mapping[str, Any]:
    strategy = preview.strategy
    return PreviewSerializer(
        {
            "send": strategy.send,
            "deliveries": [
                {
                    "channel": delivery.channel,
                    "role": delivery.role,
                    "send_at": delivery.send_at,
                    "send_at_local": _local(delivery.send_at, preview.zone),
                    "content_type": delivery.content_type,
                    "priority": delivery.priority,
                }
                for delivery in strategy.deliveries
            ],
            "fallbacks": strategy.fallbacks,
            "batch_key": strategy.batch_key,
            "reasons": strategy.reasons,
        }
    ).data


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat()


class ReasonCodeSerializer(_Answer):
    code = serializers.CharField(help_text="Stable, for programs.")
    text = serializers.CharField(
        source="sentence", help_text="How it reads in a case; names in braces are filled in."
    )
    meaning = serializers.CharField(source="description")


class ReasonsSerializer(_Answer):
    reasons = ReasonCodeSerializer(many=True)


class ReasonsView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_reasons",
        summary="The reasons that decisions and events give",
        tags=["Catalogues"],
        responses={200: ReasonsSerializer, **problem_responses(401, 403, 429)},
    )
    def get(self, _request: Request) -> Response:
        return Response(ReasonsSerializer({"reasons": CATALOGUE}).data)
