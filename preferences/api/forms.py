"""What callers may ask of preferences: checked field by field before anything is done."""

from collections.abc import Mapping
from datetime import time
from typing import Any, Final

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from clients.references import client_reference_problem
from core.api.fields import (
    InstantField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictSerializer,
)
from core.choices import Channel
from preferences.choices import Frequency
from preferences.rules.windows import SettingRefused, check_quiet_hours, parse_zone
from preferences.services.changing import KEEP, MAX_WHY, PreferenceChange

_CLOCK: Final = "As 21:30, by the client's clock."


def _clock_time(value: str) -> time:
    try:
        at = time.fromisoformat(value)
    except ValueError as error:
        raise ValidationError("Write the time as 21:30.", code="invalid_time") from error
    if at.tzinfo is not None:
        raise ValidationError("Leave the offset out: it is the client's clock.", code="window_has_zone")
    return at.replace(microsecond=0)


class QuietHoursSerializer(StrictSerializer):
    start = StrictCharField(max_length=20, help_text=_CLOCK)
    end = StrictCharField(max_length=20, help_text=f"{_CLOCK} Before the start: on the next day.")

    def validate_start(self, value: str) -> time:
        return _clock_time(value)

    def validate_end(self, value: str) -> time:
        return _clock_time(value)

    def validate(self, attrs: dict[str, Any]) -> Any:
        try:
            return check_quiet_hours(attrs["start"], attrs["end"])
        except SettingRefused as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from refusal


class OptedOutSerializer(StrictSerializer):
    email = StrictBooleanField(required=False)
    sms = StrictBooleanField(required=False)
    whatsapp = StrictBooleanField(required=False)


class PreferencesPatchSerializer(StrictSerializer):
    preferred_channels = serializers.ListField(
        child=StrictChoiceField(choices=Channel),
        required=False,
        allow_null=True,
        help_text=(
            "In the client's order; only these are used, but for critical messages. null: no choice, each message "
            "takes its usual channel."
        ),
    )
    timezone = StrictCharField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="A name of the tz database; null: the installation's.",
    )
    quiet_hours = QuietHoursSerializer(required=False, allow_null=True, help_text="null: none.")
    frequency = StrictChoiceField(
        choices=Frequency, required=False, allow_null=True, help_text="Of what can wait; null: as it comes."
    )
    pause_until = InstantField(
        required=False, allow_null=True, help_text="Nothing but critical messages until then; null: no pause."
    )
    opted_out = OptedOutSerializer(
        required=False,
        help_text=(
            "true: the client is not written to on the channel any more, critical or not. false: they opt in again. "
            "Channels that are left out stay as they are."
        ),
    )
    why = StrictCharField(
        required=False,
        allow_blank=True,
        max_length=MAX_WHY,
        help_text="Kept for good beside the change, so it names no person, address or number.",
    )

    def validate_timezone(self, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return parse_zone(value).key
        except SettingRefused as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from refusal


class PreferencesSerializer(PreferencesPatchSerializer):
    # A blank one is judged by the rule, which says what is wrong with it.
    client_id = StrictCharField(
        allow_blank=True, trim_whitespace=False, help_text="Your reference of the client."
    )

    def validate_client_id(self, value: str) -> str:
        problem = client_reference_problem(value)
        if problem is not None:
            raise ValidationError(problem.message, code=problem.code)
        return value


def change_of(form: Mapping[str, Any]) -> PreferenceChange:
    """The change that a checked form asks for: a field that is left out keeps its value."""
    channels = form.get("preferred_channels", KEEP)
    opted_out = form.get("opted_out") or {}
    return PreferenceChange(
        preferred_channels=tuple(channels) if isinstance(channels, list) else channels,
        timezone=form.get("timezone", KEEP),
        quiet_hours=form.get("quiet_hours", KEEP),
        frequency=form.get("frequency", KEEP),
        pause_until=form.get("pause_until", KEEP),
        opted_out={Channel(name): value for name, value in opted_out.items()},
    )
