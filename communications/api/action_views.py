from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communications.api import examples
from communications.choices import Status
from communications.rules.actions import Action
from communications.services.actions import Acted, act
from core import clock
from core.api.base import ApiView
from core.api.fields import StrictChoiceField, StrictSerializer
from core.api.schema import problem_responses
from core.choices import Channel
from core.scopes import Scope

_PROBLEMS = problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)


class _NoFieldsSerializer(StrictSerializer):
    pass


class ActionAnswerSerializer(serializers.Serializer[Any]):
    communication_id = serializers.UUIDField(
        source="id", help_text="The one that goes on; another one where it was sent anew."
    )
    request_id = serializers.UUIDField()
    status = StrictChoiceField(choices=Status)
    channel = StrictChoiceField(choices=Channel)
    scheduled_at = serializers.DateTimeField(source="due_at", allow_null=True)
    cancel_requested = serializers.BooleanField(
        help_text="Whether it is cancelled as soon as it is known that its call has not begun or did not arrive."
    )
    resent_from = serializers.UUIDField(
        source="resent_from_id", allow_null=True, help_text="The earlier communication that this one repeats."
    )


class _ActionView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.WRITE}

    def do(self, action: Action, request: Request, communication_id: UUID) -> Acted:
        _NoFieldsSerializer.checked(request.data)
        return act(
            action=action, communication_id=communication_id, actor=self.caller.reference, now=clock.now()
        )


class CancelView(_ActionView):
    @extend_schema(
        operation_id="cancel_communication",
        summary="Do not send it",
        description=(
            "200: it is cancelled, also when it was before. 202: it is being sent or in doubt; the wish is kept "
            "(`cancel_requested`) and honoured if the call has not begun, or when it turns out that it did not "
            "arrive. What went out or failed cannot be cancelled: 409."
        ),
        tags=["Communications"],
        request=None,
        responses={200: ActionAnswerSerializer, 202: ActionAnswerSerializer, **_PROBLEMS},
        examples=examples.CANCEL,
    )
    def post(self, request: Request, communication_id: UUID) -> Response:
        row = self.do(Action.CANCEL, request, communication_id).row
        done = row.status == Status.CANCELLED
        return Response(ActionAnswerSerializer(row).data, status=200 if done else 202)


class ResendView(_ActionView):
    @extend_schema(
        operation_id="resend_communication",
        summary="Send it again",
        description=(
            "One in doubt goes back to the queue as it is and **may arrive twice**. One that arrived, failed or was "
            "cancelled is sent as a new communication with the same content (`resent_from`), once; the rules of now "
            "decide when it goes out. Repeating the call is refused with 409, so nothing goes out twice by accident."
        ),
        tags=["Communications"],
        request=None,
        responses={202: ActionAnswerSerializer, **_PROBLEMS},
        examples=examples.RESEND,
    )
    def post(self, request: Request, communication_id: UUID) -> Response:
        acted = self.do(Action.RESEND, request, communication_id)
        return Response(ActionAnswerSerializer(acted.row).data, status=202)


class RetryView(_ActionView):
    @extend_schema(
        operation_id="retry_communication",
        summary="Try a failed one again",
        description=(
            "A failed communication goes back to the queue, due now and with all its tries. Refused with 409 when it "
            "would not be sent: too old, the client erased, no address or consent, or a newer request says the same."
        ),
        tags=["Communications"],
        request=None,
        responses={202: ActionAnswerSerializer, **_PROBLEMS},
        examples=examples.RETRY,
    )
    def post(self, request: Request, communication_id: UUID) -> Response:
        acted = self.do(Action.RETRY, request, communication_id)
        return Response(ActionAnswerSerializer(acted.row).data, status=202)
