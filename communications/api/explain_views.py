from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communications.api.answers import ReasonSerializer
from communications.api.examples import EXPLANATION
from communications.choices import Status
from communications.rules.story import tell
from communications.selectors.detail import get_communication
from communications.selectors.story_facts import story_facts
from core import clock
from core.api.base import ApiView
from core.api.fields import StrictChoiceField
from core.api.schema import problem_responses
from core.scopes import Scope


class ExplanationSerializer(serializers.Serializer[Any]):
    communication_id = serializers.UUIDField()
    status = StrictChoiceField(choices=Status)
    story = serializers.ListField(
        child=serializers.CharField(),
        help_text="Sentences: why this channel and this time, then what happened. Times are the client's.",
    )
    next = serializers.CharField(help_text="What happens next.")
    action = serializers.CharField(
        help_text="The one thing that a person can do; empty when nothing is needed."
    )
    reasons = ReasonSerializer(many=True, help_text="As they were stored when it was decided.")


class ExplainView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ}

    @extend_schema(
        operation_id="explain_communication",
        summary="Why this channel and time, what happened, what is next",
        tags=["Communications"],
        responses={200: ExplanationSerializer, **problem_responses(401, 403, 404, 429, 503)},
        examples=EXPLANATION,
    )
    def get(self, _request: Request, communication_id: UUID) -> Response:
        detail = get_communication(communication_id, contents=False)
        facts = story_facts(detail, viewer_zone=ZoneInfo("UTC"), now=clock.now())
        story = tell(replace(facts, viewer_zone=facts.zone))
        answer = {
            "communication_id": communication_id,
            "status": facts.status,
            "story": story.told,
            "next": story.next,
            "action": story.action,
            "reasons": facts.reasons,
        }
        return Response(ExplanationSerializer(answer).data)
