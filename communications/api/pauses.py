"""The kill switch over the API."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communications.choices import PauseScope
from communications.selectors.pauses import open_pauses
from communications.services import pauses
from core import clock
from core.api.base import ApiView
from core.api.fields import StrictCharField, StrictChoiceField, StrictSerializer
from core.api.schema import problem_responses
from core.scopes import Scope

_VALUE_HELP = "The channel, the plan's reference or the message type; left out for everything."


class PauseRequestSerializer(StrictSerializer):
    scope = StrictChoiceField(choices=PauseScope)
    value = StrictCharField(
        required=False, default="", allow_blank=True, max_length=64, help_text=_VALUE_HELP
    )
    reason = StrictCharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=pauses.MAX_REASON,
        help_text="Why, for colleagues. Kept for good, so it names no person, address or number.",
    )


class PauseSerializer(serializers.Serializer[Any]):
    pause_id = serializers.UUIDField(source="id")
    scope = StrictChoiceField(choices=PauseScope)
    value = serializers.CharField(help_text=_VALUE_HELP)
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(help_text="`service:NAME` or `staff:ID`.")
    lifted_at = serializers.DateTimeField(allow_null=True)


class PausesSerializer(serializers.Serializer[Any]):
    pauses = PauseSerializer(many=True, help_text="Those that are open, the newest first.")


class PausesView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ, "POST": Scope.ADMIN}
    staff_permissions: ClassVar[dict[str, str]] = {
        "GET": "communications.view_pause",
        "POST": "communications.add_pause",
    }

    @extend_schema(
        operation_id="pause_sending",
        summary="Stop sending",
        description=(
            "Stops everything, a channel, a plan or a message type, critical messages too, from the instant of the "
            "answer. What is stopped waits; it goes out when the pause is lifted, unless it has expired by then. "
            "Asking again for what is paused already gets the open pause with 200."
        ),
        tags=["Pauses"],
        request=PauseRequestSerializer,
        responses={
            201: PauseSerializer,
            200: PauseSerializer,
            **problem_responses(400, 401, 403, 413, 415, 422, 429, 503),
        },
    )
    def post(self, request: Request) -> Response:
        wish = PauseRequestSerializer.checked(request.data)
        paused = pauses.pause(**wish, actor=self.caller.reference, now=clock.now())
        return Response(PauseSerializer(paused.pause).data, status=201 if paused.created else 200)

    @extend_schema(
        operation_id="list_pauses",
        summary="What is paused",
        tags=["Pauses"],
        responses={200: PausesSerializer, **problem_responses(401, 403, 429, 503)},
    )
    def get(self, _request: Request) -> Response:
        return Response(PausesSerializer({"pauses": open_pauses()}).data)


class PauseView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"DELETE": Scope.ADMIN}
    staff_permissions: ClassVar[dict[str, str]] = {"DELETE": "communications.change_pause"}

    @extend_schema(
        operation_id="lift_pause",
        summary="Go on sending",
        description="What waited goes out now, as fast as its provider takes it. Lifting it again is a 409.",
        tags=["Pauses"],
        responses={200: PauseSerializer, **problem_responses(401, 403, 404, 409, 429, 503)},
    )
    def delete(self, _request: Request, pause_id: UUID) -> Response:
        lifted = pauses.lift(pause_id=pause_id, actor=self.caller.reference, now=clock.now())
        return Response(PauseSerializer(lifted).data)
