import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from communications.api import examples
from communications.api.bulk_forms import (
    MAX_ITEMS,
    BulkAnswerSerializer,
    BulkItemSerializer,
    Refusal,
    body_of,
    bulk_answer,
    items_of,
    submission_of,
)
from communications.api.multipart import ManyRequestPartsSerializer, RequestPartsParser
from communications.api.refusals import Refused, note_refusals
from communications.api.spooling import ToSpool, spool_requests
from communications.models import Communication
from communications.selectors.detail import communications_of
from communications.services.attaching import collect
from communications.services.commands import Submission
from communications.services.submit import Submitted, submit_many
from core import clock, spool
from core.api.base import ApiView
from core.api.parsers import MEGABYTE, JsonLinesParser, StrictJSONParser
from core.api.principals import CallerKind
from core.api.problems import field_problems
from core.api.schema import problem_responses
from core.database import DATABASE_AWAY
from core.errors import FieldProblem, Invalid
from core.scopes import Scope


class BulkView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.WRITE}
    parser_classes = (StrictJSONParser, JsonLinesParser, RequestPartsParser)
    max_body_bytes = 28 * MEGABYTE
    max_items = MAX_ITEMS

    @extend_schema(
        operation_id="request_communications",
        summary="Tell many clients something",
        description=(
            "Up to 1,000 requests in one call: a JSON list, or one JSON object a line as `application/x-ndjson`. "
            "Each is accepted or refused for itself, as if they had come one after the other; what is wrong with "
            "one, or a line that cannot be read, never touches the others. The results say what became of each, in "
            "their order. The header `Idempotency-Key` is refused here: each request may have its own key in the "
            "field `idempotency_key`. A call that was cut short may be repeated as it is: what it had stored comes "
            "back as duplicates. While the database is away requests are accepted as single ones are: under a "
            "`request_id`, and without communications."
        ),
        tags=["Communications"],
        request={
            "application/json": BulkItemSerializer(many=True),
            "application/x-ndjson": BulkItemSerializer(many=True),
            "multipart/form-data": ManyRequestPartsSerializer,
        },
        responses={
            200: BulkAnswerSerializer,
            **problem_responses(400, 401, 403, 413, 415, 422, 429, 503),
        },
        examples=examples.BULK,
    )
    def post(self, request: Request) -> Response:
        if "Idempotency-Key" in request.headers:
            sentence = "Leave the header out; give each request its own key in the field idempotency_key."
            raise Invalid([FieldProblem("Idempotency-Key", "not_for_many", sentence)])
        items = items_of(request.data)
        asked = self._with_files([submission_of(item) for item in items])
        sound = [
            (item, each) for item, each in zip(items, asked, strict=True) if isinstance(each, Submission)
        ]
        stored = iter(self._accept(sound))
        outcomes = [next(stored) if isinstance(each, Submission) else each for each in asked]
        # What was stored or refused is told all the same when the database goes away now.
        lines: Mapping[UUID, Sequence[Communication]] = {}
        with contextlib.suppress(*DATABASE_AWAY):
            self._note(outcomes, items, clock.now())
            lines = communications_of(
                {each.request_id for each in outcomes if isinstance(each, Submitted) and each.made is None}
            )
        return Response(bulk_answer(outcomes, lines, path=request.path))

    def _with_files(self, asked: Sequence[Submission | Refusal]) -> list[Submission | Refusal]:
        sound = [each for each in asked if isinstance(each, Submission)]
        collected = iter(collect(submissions=sound, caller=self.caller.reference, now=clock.now))
        return [next(collected) if isinstance(each, Submission) else each for each in asked]

    def _accept(self, sound: Sequence[tuple[Any, Submission]]) -> Sequence[Submitted | Refusal]:
        caller, submissions = self.caller.reference, [submission for _, submission in sound]
        try:
            return submit_many(submissions=submissions, caller=caller, now=clock.now())
        except DATABASE_AWAY:
            if not spool.is_configured():
                raise
            # All of them: the entries of those that were stored before it went away find their requests.
            return spool_requests(
                [ToSpool(body_of(item), submission) for item, submission in sound], caller=caller
            )

    def _note(self, outcomes: Sequence[Submitted | Refusal], items: Sequence[Any], now: datetime) -> None:
        if self.caller.kind is CallerKind.SERVICE:
            refused = [
                Refused(field_problems(outcome), item)
                for outcome, item in zip(outcomes, items, strict=True)
                if isinstance(outcome, Invalid | ValidationError)
            ]
            note_refusals(refused, now=now)
