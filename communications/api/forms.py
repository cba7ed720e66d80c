"""What callers may send: checked field by field before anything is done."""

import json
import math
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from clients.references import client_reference_problem, plan_reference_problem
from communications.api.attachment_fields import attachments_field, given_attachments, with_digests
from communications.choices import MessageType, Status, Urgency
from communications.rules.message_types import MESSAGE_TYPES
from communications.selectors.history import MAX_LIMIT, MAX_OFFSET, HistoryFilters
from communications.services.commands import ClientData, Idempotency, SubmitCommand
from core.api.fields import (
    InstantField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictObjectField,
    StrictSerializer,
    check_years,
)
from core.choices import Channel
from core.errors import FieldProblem, Invalid
from preferences.rules.windows import SettingRefused, parse_zone

MAX_WAIT_SECONDS = 10

_MAX_NAME = 200
_MAX_ADDRESS = 320
_MAX_KEY = 255
_NOT_YET = "not_supported_yet"
_CLIENT_DATA = ("name", "email", "phone", "timezone", "whatsapp_opt_in")


class ClientSerializer(StrictSerializer):
    """Contact data; what is left out stays as it is known."""

    name = StrictCharField(required=False, allow_null=True, max_length=_MAX_NAME)
    email = StrictCharField(required=False, allow_null=True, max_length=_MAX_ADDRESS)
    phone = StrictCharField(
        required=False, allow_null=True, max_length=40, help_text="With its country code, as +911234567890."
    )
    timezone = StrictCharField(
        required=False, allow_null=True, max_length=64, help_text="A name of the tz database."
    )
    whatsapp_opt_in = StrictBooleanField(
        required=False,
        allow_null=True,
        help_text=(
            "true: the client agreed to messages about their event by WhatsApp. false takes back an earlier true of "
            "yours, and nothing that the client themselves chose. Kept with the phone number."
        ),
    )

    def validate_name(self, value: str | None) -> str | None:
        # A line break in a name could add a header to a mail.
        if value and any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
            raise ValidationError("Leave out line breaks and control characters.", code="control_character")
        return value

    def validate_timezone(self, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return parse_zone(value).key
        except SettingRefused as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from refusal


class CommunicationRequestSerializer(StrictSerializer):
    # Blank references are judged by the rule, which names what is wrong with them.
    plan_id = StrictCharField(
        allow_blank=True,
        trim_whitespace=False,
        help_text="Your reference of the plan: 1 to 64 of A–Z a–z 0–9 . _ : -",
    )
    client_id = StrictCharField(
        allow_blank=True, trim_whitespace=False, help_text="Your reference of the client, in the same form."
    )
    message_type = StrictChoiceField(choices=MessageType)
    context = StrictObjectField(  # type: ignore[assignment]  # DRF's base has an attribute of this name
        help_text="What the message is about, as the planning agent holds it."
    )
    urgency = StrictChoiceField(
        choices=Urgency, required=False, allow_null=True, help_text="Left out: the message type's own."
    )
    preferred_channel = StrictChoiceField(
        choices=Channel, required=False, allow_null=True, help_text="Goes first if it is open."
    )
    dedup_key = StrictCharField(
        required=False,
        allow_null=True,
        max_length=_MAX_KEY,
        help_text="Requests with one key are the same request, whatever their content says.",
    )
    supersede = StrictBooleanField(
        required=False,
        help_text=(
            "Planning starts again from this message's stage: the plan goes back to it, and what is unsent of it and "
            "of later stages is replaced. For types with a stage."
        ),
    )
    send_at = InstantField(required=False, allow_null=True, help_text="Not before this instant.")
    deliver_by = InstantField(
        required=False,
        allow_null=True,
        help_text="A message that cannot go out before is cancelled, with the reason.",
    )
    expects_response = StrictBooleanField(
        required=False, allow_null=True, help_text="Not supported yet: leave it out, false, or null."
    )
    attachments = attachments_field()
    client = ClientSerializer(required=False, allow_null=True)

    def validate_plan_id(self, value: str) -> str:
        return _sound(value, plan_reference_problem(value))

    def validate_client_id(self, value: str) -> str:
        return _sound(value, client_reference_problem(value))

    def validate_message_type(self, value: MessageType) -> MessageType:
        if not MESSAGE_TYPES[value].by_request:
            message = "A digest is made here, of messages that can wait. Ask for each of them."
            raise ValidationError(message, code="made_here")
        return value

    def validate_expects_response(self, value: bool | None) -> None:
        if value:
            raise ValidationError("Answers cannot be waited for yet: leave this out.", code=_NOT_YET)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        problems = {}
        send_at, deliver_by = attrs.get("send_at"), attrs.get("deliver_by")
        if send_at and deliver_by and deliver_by <= send_at:
            problems["deliver_by"] = [ErrorDetail("Give an instant after send_at.", "before_send_at")]
        if attrs.get("supersede") and not MESSAGE_TYPES[attrs["message_type"]].staged:
            sentence = "Leave this out: messages of this type belong to no stage of the plan."
            problems["supersede"] = [ErrorDetail(sentence, "no_stage")]
        if problems:
            raise ValidationError(problems)
        return attrs


def submit_command(body: Any) -> SubmitCommand:
    """Raises ValidationError (422) naming every field that is wrong."""
    return command_of(CommunicationRequestSerializer.checked(body))


def command_of(form: Mapping[str, Any]) -> SubmitCommand:
    """The command of a form that was checked."""
    client = form.get("client") or {}
    return SubmitCommand(
        plan_reference=form["plan_id"],
        client_reference=form["client_id"],
        message_type=form["message_type"],
        context=form["context"],
        urgency=form.get("urgency"),
        preferred_channel=form.get("preferred_channel"),
        dedup_key=form.get("dedup_key"),
        send_at=form.get("send_at"),
        deliver_by=form.get("deliver_by"),
        client=ClientData(**{name: client.get(name) for name in _CLIENT_DATA}),
        supersede=form.get("supersede", False),
        attachments=given_attachments(form),
    )


def idempotency_of(key: str | None, body: Any, *, field: str = "Idempotency-Key") -> Idempotency | None:
    """A key with what it came with in one form, so that spaces and the order of names do not matter."""
    if key is None:
        return None
    if not (0 < len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
        sentence = f"Use 1 to {_MAX_KEY} printable ASCII characters."
        raise Invalid([FieldProblem(field, "invalid_idempotency_key", sentence)])
    return Idempotency(key=key, body=json.dumps(with_digests(body), sort_keys=True).encode(), field=field)


@extend_schema_field({"type": "string", "examples": ["2026-12-15", "2026-12-15T09:00:00Z"]})
class DayOrInstantField(InstantField):
    """A date, or an instant with its offset. A date alone is the whole day in UTC."""

    def __init__(self, *, ends: bool = False, **options: Any) -> None:
        self.ends = ends
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> datetime:
        try:
            day = date.fromisoformat(data)
            start = datetime.combine(day, time(), tzinfo=UTC)
        except (TypeError, ValueError):
            return super().to_internal_value(data)
        check_years(start)
        return start + timedelta(days=1) if self.ends else start


class HistoryQuerySerializer(StrictSerializer):
    plan_id = StrictCharField(required=False, max_length=64)
    client_id = StrictCharField(required=False, max_length=64)
    channel = StrictChoiceField(choices=Channel, required=False)
    message_type = StrictChoiceField(choices=MessageType, required=False)
    status = StrictChoiceField(choices=Status, required=False)
    start_date = DayOrInstantField(required=False, help_text="Made from then on; a date is a day in UTC.")
    end_date = DayOrInstantField(ends=True, required=False, help_text="Made until then; a date counts whole.")
    q = StrictCharField(
        required=False,
        max_length=320,
        help_text="A reference, an id, an address written out, or part of the client's name.",
    )
    limit = serializers.IntegerField(required=False, default=50, min_value=1, max_value=MAX_LIMIT)
    offset = serializers.IntegerField(required=False, min_value=0, max_value=MAX_OFFSET)
    cursor = StrictCharField(required=False, max_length=500, help_text="`next` of the page before.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "cursor" in attrs and "offset" in attrs:
            raise ValidationError(
                {"cursor": [ErrorDetail("Give a cursor or an offset, not both.", "cursor_and_offset")]}
            )
        start, end = attrs.get("start_date"), attrs.get("end_date")
        if start and end and end <= start:
            raise ValidationError(
                {"end_date": [ErrorDetail("Give an end after the start.", "before_start_date")]}
            )
        return attrs


def history_filters(query: Mapping[str, Any]) -> HistoryFilters:
    return HistoryFilters(
        plan_reference=query.get("plan_id"),
        client_reference=query.get("client_id"),
        channels=[query["channel"]] if "channel" in query else (),
        message_types=[query["message_type"]] if "message_type" in query else (),
        statuses=[query["status"]] if "status" in query else (),
        created_from=query.get("start_date"),
        created_before=query.get("end_date"),
        search=query.get("q"),
    )


class WaitQuerySerializer(StrictSerializer):
    wait = serializers.FloatField(
        required=False,
        default=0,
        min_value=0,
        max_value=MAX_WAIT_SECONDS,
        help_text=(
            "Seconds to hold the answer until the primary was sent, or will not be. Only a few callers may wait at "
            "a time; the others are answered at once, with the status of that moment."
        ),
    )

    def validate_wait(self, value: float) -> float:
        if not math.isfinite(value):
            raise ValidationError(f"Give 0 to {MAX_WAIT_SECONDS} seconds.", code="out_of_range")
        return value


def _sound(value: str, problem: FieldProblem | None) -> str:
    if problem is not None:
        raise ValidationError(problem.message, code=problem.code)
    return value
