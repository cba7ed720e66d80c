"""What callers are told of preferences and consent. The same classes make the answers and their schema."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from core.api.fields import StrictChoiceField
from core.choices import Channel, Purpose
from preferences.choices import ConsentSource, ConsentState, Frequency
from preferences.rules.windows import CONTACT_HOURS
from preferences.selectors.ledger import LedgerEntry
from preferences.selectors.profile import ChannelState, Profile

_Answer = serializers.Serializer[Any]
ORIGINS = ["default", "planner", "client", "staff"]


class WindowSerializer(_Answer):
    start = serializers.TimeField(format="%H:%M")
    end = serializers.TimeField(format="%H:%M")


class ChannelStateSerializer(_Answer):
    channel = StrictChoiceField(choices=Channel)
    is_known = serializers.BooleanField(help_text="Whether there is an address or number for it.")
    is_open = serializers.BooleanField(
        help_text="Whether consent lets us use it for messages about the event."
    )
    is_suppressed = serializers.BooleanField(help_text="Whether the address itself is not to be written to.")
    opted_out = serializers.BooleanField()
    source = StrictChoiceField(  # type: ignore[assignment]  # DRF's base has an attribute of this name
        choices=ConsentSource, allow_null=True, help_text="Who decided; null: the default holds."
    )
    since = serializers.DateTimeField(allow_null=True)


class OriginsSerializer(_Answer):
    preferred_channels = serializers.ChoiceField(choices=ORIGINS)
    timezone = serializers.ChoiceField(choices=ORIGINS)
    quiet_hours = serializers.ChoiceField(choices=ORIGINS)
    frequency = serializers.ChoiceField(choices=ORIGINS)
    pause_until = serializers.ChoiceField(choices=ORIGINS)


class OptedOutStateSerializer(_Answer):
    email = serializers.BooleanField()
    sms = serializers.BooleanField()
    whatsapp = serializers.BooleanField()


class EffectivePreferencesSerializer(_Answer):
    client_id = serializers.CharField()
    preferred_channels = serializers.ListField(
        child=StrictChoiceField(choices=Channel), help_text="In order; the usual one where nobody chose."
    )
    timezone = serializers.CharField()
    quiet_hours = WindowSerializer(allow_null=True)
    contact_window = WindowSerializer(help_text="When messages of normal urgency go out.")
    frequency = StrictChoiceField(choices=Frequency)
    pause_until = serializers.DateTimeField(allow_null=True)
    opted_out = OptedOutStateSerializer()
    channels = ChannelStateSerializer(many=True)
    origins = OriginsSerializer(
        help_text="Who set each: nobody (default), the planner, the client, or staff."
    )


class ChangedPreferencesSerializer(EffectivePreferencesSerializer):
    changed = serializers.ListField(child=serializers.CharField(), help_text="What this call changed.")
    kept = serializers.ListField(
        child=serializers.CharField(),
        help_text="What this call left, because the client or staff chose it and a program does not override them.",
    )


class SpooledPreferencesSerializer(_Answer):
    request_id = serializers.UUIDField()
    client_id = serializers.CharField()
    status = serializers.CharField(
        help_text="`accepted`: the database is away; it is stored when it is back."
    )


def preferences_answer(client_reference: str, profile: Profile) -> dict[str, Any]:
    effective = profile.effective
    channels: Sequence[ChannelState] = list(profile.channels.values())
    return EffectivePreferencesSerializer(
        {
            "client_id": client_reference,
            "preferred_channels": profile.order,
            "timezone": effective.zone.key,
            "quiet_hours": effective.quiet_hours,
            "contact_window": CONTACT_HOURS,
            "frequency": effective.frequency,
            "pause_until": effective.pause_until,
            "opted_out": {state.channel.value: state.opted_out for state in channels},
            "channels": channels,
            "origins": profile.origins,
        }
    ).data


class WordingSerializer(_Answer):
    version = serializers.CharField()
    text = serializers.CharField(help_text="What the client read, or what was told on their behalf.")


class ConsentEntrySerializer(_Answer):
    entry_id = serializers.IntegerField()
    contact_point_id = serializers.UUIDField(allow_null=True)
    channel = StrictChoiceField(choices=Channel)
    purpose = StrictChoiceField(choices=Purpose)
    state = StrictChoiceField(choices=ConsentState)
    source = StrictChoiceField(choices=ConsentSource)  # type: ignore[assignment]  # as above
    actor = serializers.CharField()
    wording = WordingSerializer()
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()


class ConsentSerializer(_Answer):
    client_id = serializers.CharField()
    channels = ChannelStateSerializer(many=True, help_text="What holds now, for messages about the event.")
    entries = ConsentEntrySerializer(many=True, help_text="Everything that was said, the newest first.")


def consent_answer(client_reference: str, profile: Profile, entries: Sequence[LedgerEntry]) -> dict[str, Any]:
    return ConsentSerializer(
        {
            "client_id": client_reference,
            "channels": list(profile.channels.values()),
            "entries": [_entry(entry) for entry in entries],
        }
    ).data


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    row = entry.row
    return {
        "entry_id": row.id,
        "contact_point_id": row.contact_point_id,
        "channel": row.channel,
        "purpose": row.purpose,
        "state": row.state,
        "source": row.source,
        "actor": row.actor,
        "wording": {"version": row.wording, "text": entry.words},
        "occurred_at": row.occurred_at,
        "recorded_at": row.recorded_at,
    }
