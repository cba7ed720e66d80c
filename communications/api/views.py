import contextlib
import threading
import time
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import connection
from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from communications.api import answers, examples
from communications.api.forms import (
    CommunicationRequestSerializer,
    HistoryQuerySerializer,
    WaitQuerySerializer,
    history_filters,
    idempotency_of,
    submit_command,
)
from communications.api.multipart import RequestPartsParser, RequestPartsSerializer
from communications.api.refusals import Refused, note_refusals
from communications.api.spooling import ToSpool, spool_requests
from communications.choices import MessageType
from communications.rules.message_types import MESSAGE_TYPES
from communications.selectors.detail import get_communication, get_request_outcome, is_waiting
from communications.selectors.history import list_communications
from communications.services.attaching import collect
from communications.services.commands import Idempotency, Submission, SubmitCommand
from communications.services.submit import Submitted, submit
from core import clock, spool
from core.api.base import ApiView
from core.api.parsers import MEGABYTE, StrictJSONParser
from core.api.principals import CallerKind
from core.api.problems import field_problems
from core.api.schema import problem_responses
from core.database import DATABASE_AWAY
from core.errors import Invalid
from core.scopes import Scope

_POLL_SECONDS = 0.1
# A waiting caller holds one of the process's few threads (four in the Dockerfile): half of them stay free.
_MAX_WAITING = 2
_waiting = threading.BoundedSemaphore(_MAX_WAITING)


class CommunicationsView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ, "POST": Scope.WRITE}
    parser_classes = (StrictJSONParser, RequestPartsParser)
    max_body_bytes = 28 * MEGABYTE

    @extend_schema(
        operation_id="request_communication",
        summary="Tell a client something",
        description=(
            "Accepts a request, decides by which channels and when it goes out, and says so. A request that "
            "was made before (the same Idempotency-Key, or the same plan, client, type and content) gets the "
            "first one's answer with 200 and `duplicate: true`. When nothing may be sent the status is "
            "`cancelled` and the reasons say why. While the database is away the answer is 202 with the status "
            "`accepted` and no channel; the request is stored under its `request_id` when the database is back."
        ),
        tags=["Communications"],
        request={
            "application/json": CommunicationRequestSerializer,
            "multipart/form-data": RequestPartsSerializer,
        },
        parameters=[
            WaitQuerySerializer,
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="Makes repeating this very call safe for 24 hours. Advised.",
            ),
        ],
        responses={
            202: answers.RequestAnswerSerializer,
            200: answers.RequestAnswerSerializer,
            **problem_responses(400, 401, 403, 409, 413, 415, 422, 429, 503),
        },
        examples=examples.REQUEST,
    )
    def post(self, request: Request) -> Response:
        try:
            wait_seconds = WaitQuerySerializer.checked(single_values(request.query_params))["wait"]
            idempotency_key = idempotency_of(request.headers.get("Idempotency-Key"), request.data)
            command = self._with_files(submit_command(request.data), idempotency_key)
            submitted, answer = self._accept(request.data, command, idempotency_key, wait_seconds)
        except (Invalid, ValidationError) as refusal:
            self._note(refusal, request.data)
            raise
        return Response(answer, status=200 if submitted.duplicate else 202)

    def _with_files(self, command: SubmitCommand, idempotency_key: Idempotency | None) -> SubmitCommand:
        (collected,) = collect(
            submissions=[Submission(command, idempotency_key)], caller=self.caller.reference, now=clock.now
        )
        if isinstance(collected, Submission):
            return collected.command
        raise collected

    def _accept(
        self, body: Any, command: SubmitCommand, idempotency_key: Idempotency | None, wait_seconds: float
    ) -> tuple[Submitted, dict[str, Any]]:
        caller, request_id = self.caller.reference, uuid4()
        try:
            submitted = submit(
                command=command,
                caller=caller,
                now=clock.now(),
                idempotency_key=idempotency_key,
                request_id=request_id,
            )
            wait_until_left(submitted.request_id, wait_seconds)
            if submitted.made is not None and not wait_seconds:
                outcome = submitted.made.outcome()
            else:
                outcome = get_request_outcome(submitted.request_id)
        except DATABASE_AWAY:
            if not spool.is_configured():
                raise
            # Also after a commit whose answer was lost: the entry then finds its request stored.
            request = ToSpool(body, Submission(command, idempotency_key, request_id))
            (accepted,) = spool_requests([request], caller=caller)
            if isinstance(accepted, Invalid):
                raise accepted from None
            return accepted, answers.accepted_answer(accepted.request_id, duplicate=accepted.duplicate)
        rule = MESSAGE_TYPES[MessageType(outcome.request.message_type)]
        return submitted, answers.request_answer(outcome, rule, duplicate=submitted.duplicate)

    @extend_schema(
        operation_id="list_communications",
        summary="The history, newest first",
        tags=["Communications"],
        parameters=[HistoryQuerySerializer],
        responses={200: answers.HistorySerializer, **problem_responses(400, 401, 403, 422, 429, 503)},
        examples=examples.HISTORY,
    )
    def get(self, request: Request) -> Response:
        query = HistoryQuerySerializer.checked(single_values(request.query_params))
        limit, offset = query["limit"], query.get("offset", 0)
        page = list_communications(
            history_filters(query), limit=limit, offset=offset, cursor=query.get("cursor")
        )
        return Response(answers.history_answer(page, limit=limit, offset=offset))

    def _note(self, refusal: Invalid | ValidationError, body: Any) -> None:
        if self.caller.kind is CallerKind.SERVICE:
            # The refusal stands without its note: the caller is told all the same.
            with contextlib.suppress(*DATABASE_AWAY):
                note_refusals([Refused(field_problems(refusal), body)], now=clock.now())


class CommunicationView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ}

    @extend_schema(
        operation_id="get_communication",
        summary="Everything about one communication",
        tags=["Communications"],
        responses={
            200: answers.CommunicationDetailSerializer,
            **problem_responses(401, 403, 404, 429, 503),
        },
        examples=examples.DETAIL,
    )
    def get(self, _request: Request, communication_id: UUID) -> Response:
        detail = get_communication(communication_id)
        rule = MESSAGE_TYPES[MessageType(detail.entry.row.message_type)]
        return Response(answers.detail_answer(detail, rule))


class MessageTypesView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_message_types",
        summary="The message types and what holds for each",
        tags=["Catalogues"],
        responses={200: answers.MessageTypesSerializer, **problem_responses(401, 403, 429)},
    )
    def get(self, _request: Request) -> Response:
        return Response(answers.MessageTypesSerializer({"message_types": list(MESSAGE_TYPES.values())}).data)


def single_values(query: QueryDict) -> dict[str, Any]:
    """The parameters of a query; one given twice is refused rather than half ignored."""
    repeated = [name for name, values in query.lists() if len(values) > 1]
    if repeated:
        raise ValidationError({name[:100]: [ErrorDetail("Give this once.", "repeated")] for name in repeated})
    return query.dict()


def wait_until_left(request_id: UUID, wait_seconds: float) -> None:
    """Returns when the request's primary has left the queue, or after `wait_seconds`; at once while two other
    callers of this process are waiting."""
    if wait_seconds <= 0 or not _waiting.acquire(blocking=False):
        return
    try:
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline and is_waiting(request_id):
            if not connection.in_atomic_block:
                # Back into the pool: who waits must not keep a connection from others.
                connection.close()
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
    finally:
        _waiting.release()
