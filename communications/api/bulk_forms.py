"""What a call with many requests may send, and what it is told."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from communications.api.answers import BriefCommunicationSerializer, brief_line
from communications.api.forms import CommunicationRequestSerializer, command_of, idempotency_of
from communications.models import Communication
from communications.services.commands import Submission
from communications.services.submit import Submitted
from core.api.fields import StrictCharField
from core.api.problems import describe, problem_body
from core.api.schema import ProblemSerializer
from core.errors import CrmError, FieldProblem, Invalid, Malformed

MAX_ITEMS = 1_000

Refusal = CrmError | ValidationError


class BulkItemSerializer(CommunicationRequestSerializer):
    idempotency_key = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        trim_whitespace=False,
        help_text="What the header Idempotency-Key is to a single request.",
    )


class BulkResultSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="The place of the request in the call, from 0.")
    status = serializers.IntegerField(
        help_text="What a call with this request alone would be answered: 202, 200 for a duplicate, 4xx."
    )
    request_id = serializers.UUIDField(required=False)
    duplicate = serializers.BooleanField(required=False)
    communications = BriefCommunicationSerializer(many=True, required=False)
    problem = ProblemSerializer(required=False, help_text="In place of the other three.")


class BulkAnswerSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="How many were new.")
    duplicates = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = BulkResultSerializer(many=True, help_text="One for each request, in their order.")


def items_of(body: Any) -> list[Any]:
    """The items of a call. Raises Invalid when they are none, no list, or too many."""
    if isinstance(body, list) and 0 < len(body) <= MAX_ITEMS:
        return body
    if isinstance(body, list) and body:
        code, sentence = (
            "too_many_requests",
            f"Send at most {MAX_ITEMS:,} requests in a call; split these into several calls.",
        )
    elif not body:
        code, sentence = "no_requests", f"Send 1 to {MAX_ITEMS:,} requests."
    else:
        code, sentence = (
            "not_a_list",
            "Send a JSON list of requests, or one JSON object a line as application/x-ndjson.",
        )
    raise Invalid([FieldProblem("", code, sentence)])


def submission_of(item: Any) -> Submission | Refusal:
    """One item as a submission, or what is wrong with it."""
    if isinstance(item, Malformed):
        return item
    try:
        form = BulkItemSerializer.checked(item)
        key = idempotency_of(form.get("idempotency_key"), body_of(item), field="idempotency_key")
    except (ValidationError, Invalid) as refusal:
        return refusal
    return Submission(command_of(form), key, uuid4())


def body_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as it would be sent alone, with its key in the header."""
    return {name: value for name, value in item.items() if name != "idempotency_key"}


def bulk_answer(
    outcomes: Sequence[Submitted | Refusal], lines: Mapping[Any, Sequence[Communication]], *, path: str
) -> dict[str, Any]:
    """In the form of BulkAnswerSerializer, made by hand: a serializer would take as long as storing the requests.
    `lines`: the communications of duplicates. What waits for the database has none yet."""
    results = [_result(index, outcome, lines, path) for index, outcome in enumerate(outcomes)]
    statuses = [result["status"] for result in results]
    new, again = statuses.count(202), statuses.count(200)
    return {
        "accepted": new,
        "duplicates": again,
        "refused": len(results) - new - again,
        "results": results,
    }


def _result(
    index: int, outcome: Submitted | Refusal, lines: Mapping[Any, Sequence[Communication]], path: str
) -> dict[str, Any]:
    if not isinstance(outcome, Submitted):
        problem = describe(outcome)
        return {"index": index, "status": int(problem.status), "problem": problem_body(problem, path)}
    return {
        "index": index,
        "status": 200 if outcome.duplicate else 202,
        "request_id": outcome.request_id,
        "duplicate": outcome.duplicate,
        "communications": [
            brief_line(row)
            for row in (outcome.made.communications if outcome.made else lines.get(outcome.request_id, ()))
        ],
    }
