"""Why the engine did what it did: stable codes, each with a plain sentence, and the catalogue made of them.

Sentences take channels, clock times, zones and labels of message types, never anything about a person.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from core.choices import Channel

CHANNEL_WORDS: Final = MappingProxyType(
    {Channel.EMAIL: "e-mail", Channel.SMS: "SMS", Channel.WHATSAPP: "WhatsApp"}
)


@dataclass(frozen=True)
class Reason:
    """One rule that changed something. `code` is stable; `text` is for people and may be worded anew."""

    code: str
    text: str


@dataclass(frozen=True, eq=False)
class ReasonCode:
    """A code with what it means in general and the sentence it leaves in a case. There is one of each."""

    code: str
    description: str
    sentence: str

    def because(self, **values: str) -> Reason:
        """The reason of one case. Channels are given by `CHANNEL_WORDS`, times by `clock_text`."""
        return _because(self, **values)


@lru_cache(maxsize=4096)
def _because(reason: ReasonCode, **values: str) -> Reason:
    text = reason.sentence.format(**values)
    return Reason(reason.code, text[:1].upper() + text[1:])


_catalogue: dict[str, ReasonCode] = {}


def _reason(code: str, description: str, sentence: str) -> ReasonCode:
    if code in _catalogue:
        raise ValueError(f"The reason {code} is defined twice.")
    _catalogue[code] = ReasonCode(code, description, sentence)
    return _catalogue[code]


def clock_text(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """`08:00 Asia/Kolkata`; more than a day away with its date: `08:00 on 3 March 2027, Asia/Kolkata`."""
    return _clock_text(at, zone, abs(at - now) > timedelta(days=1))


@lru_cache(maxsize=4096)
def _clock_text(at: datetime, zone: ZoneInfo, with_date: bool) -> str:
    local = at.astimezone(zone)
    if with_date:
        return f"{local:%H:%M} on {local.day} {local:%B %Y}, {zone.key}"
    return f"{local:%H:%M} {zone.key}"


# Which channel goes first
PREFERRED_CHANNEL = _reason(
    "preferred_channel",
    "The channel that the caller asked for is open and goes first.",
    "{channel} goes first: the request asked for it.",
)
WHATSAPP_FIRST = _reason(
    "whatsapp_first",
    "Urgent, and the client chose WhatsApp: WhatsApp goes first.",
    "WhatsApp goes first: the message is urgent and the client chose WhatsApp.",
)
CRITICAL_ORDER = _reason(
    "critical_order",
    "Critical messages go by SMS, then WhatsApp, then e-mail.",
    "{channel} goes first: the message is critical.",
)
DETAILED_EMAIL_FIRST = _reason(
    "detailed_email_first",
    "Detailed content goes by e-mail first.",
    "E-mail goes first: the content is detailed.",
)
CLIENT_ORDER = _reason(
    "client_order",
    "The order of channels that the client chose.",
    "{channel} goes first: it is first in the client's order.",
)
USUAL_CHANNEL = _reason(
    "usual_channel",
    "The usual channel for this kind of message.",
    "{channel} is the usual channel for this message.",
)
OTHER_CHANNEL = _reason(
    "other_channel",
    "None of the message type's own channels is open; another open channel takes their place.",
    "{channel} takes the place of the message's usual channels, which are not open.",
)
ONLY_OPEN_CHANNEL = _reason(
    "only_open_channel",
    "None of the message type's own channels is open, and only one other is.",
    "{channel} is used: it is the only channel open for this client.",
)
SENT_AGAIN = _reason(
    "sent_again",
    "An earlier message is sent again, on the channel it had.",
    "{channel} goes first: the earlier message had this channel.",
)
PREFERRED_NOT_USED = _reason(
    "preferred_not_used",
    "This message type goes out on fixed channels; the channel asked for is kept as a fallback.",
    "{label} does not go out by {channel}; the channel asked for is kept as a fallback.",
)
CRITICAL_ANY_CHANNEL = _reason(
    "critical_any_channel",
    "Critical: an open channel is used although the client did not choose it.",
    "{channel} is used although the client did not choose it: the message is critical.",
)

# Which channels are left out
NO_CONTACT_POINT = _reason(
    "no_contact_point",
    "No address or number is known for the channel.",
    "{channel} is left out: no address or number is known.",
)
NO_CONSENT = _reason(
    "no_consent",
    "The client opted out of the channel, or never agreed to it.",
    "{channel} is left out: the client opted out of it or never agreed to it.",
)
SUPPRESSED = _reason(
    "suppressed",
    "The address or number is on the list of those that are not to be written to.",
    "{channel} is left out: the address or number is not to be written to.",
)
UNDELIVERABLE = _reason(
    "undeliverable",
    "The address or number is known to be undeliverable.",
    "{channel} is left out: the address or number cannot be delivered to.",
)
NOT_CHOSEN = _reason(
    "not_chosen",
    "The client chose channels, and this is none of them.",
    "{channel} is left out: the client chose other channels.",
)
NOT_CONFIGURED = _reason(
    "not_configured",
    "No connector is set up for the channel.",
    "{channel} is left out: it is not set up here.",
)
CANNOT_CARRY = _reason(
    "cannot_carry",
    "The channel cannot carry this content.",
    "{channel} is left out: it cannot carry this content.",
)
NO_OPEN_CHANNEL = _reason(
    "no_open_channel",
    "No channel is open for the client, so nothing is sent.",
    "Not sent: no channel is open for this client.",
)

# When
CRITICAL_NOW = _reason(
    "critical_now",
    "Critical: sent at once, at any hour.",
    "Sent without waiting for any hours: the message is critical.",
)
SEND_AT = _reason(
    "send_at",
    "The caller asked for a later time.",
    "Held until {until}: the request asked for this time.",
)
PAUSED = _reason(
    "paused",
    "Messages to the client are paused until a date.",
    "Held until {until}: messages to this client are paused.",
)
QUIET_HOURS = _reason(
    "quiet_hours",
    "The client's quiet hours hold everything but critical messages.",
    "Held until {until}: quiet hours.",
)
NIGHT = _reason(
    "night",
    "Nothing but critical messages goes out between 22:00 and 08:00 local time.",
    "Held until {until}: night, from 22:00 to 08:00.",
)
SMS_HOURS = _reason(
    "sms_hours",
    "An SMS that is not critical goes out between 08:00 and 21:00 local time.",
    "Held until {until}: SMS goes out between 08:00 and 21:00.",
)
CONTACT_WINDOW = _reason(
    "contact_window",
    "Messages of normal and low urgency go out in the contact window: 09:00 to 21:00 local time, unless set otherwise.",
    "Held until {until}: outside the contact window, {window}.",
)
CONTACT_WINDOW_GAVE_WAY = _reason(
    "contact_window_gave_way",
    "Quiet hours leave nothing of the contact window, so any time outside them and the night counts.",
    "The contact window does not count: quiet hours leave nothing of it.",
)
DIGEST_SLOT = _reason(
    "digest_slot",
    "Messages of low urgency go out at one time of the day: 10:00 local time, unless set otherwise.",
    "Held until {until}: messages of low urgency go out once a day.",
)
DEFAULT_TIMEZONE = _reason(
    "default_timezone",
    "The client's timezone is not known; the installation's stands in.",
    "The client's timezone is not known; {zone} stands in.",
)
NO_SENDING_HOURS = _reason(
    "no_sending_hours",
    "Quiet hours, night and the channel's hours leave no time of the day.",
    "{channel} is left out: quiet hours and night leave it no time of the day.",
)
EXPIRED = _reason(
    "expired",
    "The message is, or would by then be, too old to be worth sending.",
    "Not sent by {channel}: it was worth sending until {until}.",
)
EVENT_PASSED = _reason(
    "event_passed",
    "The event is, or would by then be, over.",
    "Not sent by {channel}: the event ends before it could go out.",
)
CANNOT_MEET_DEADLINE = _reason(
    "cannot_meet_deadline",
    "The message cannot go out before its deliver_by.",
    "Not sent by {channel}: it cannot go out before {until}, as the request asked.",
)

# Engagement, frequency and digests
MORE_ENGAGEMENT = _reason(
    "more_engagement",
    "The channel moved up one place: the client did not react to the last messages on the one before it.",
    "{channel} goes first: the client did not react to the last messages on the channel before it.",
)
LOW_ENGAGEMENT = _reason(
    "low_engagement",
    "The client did not react to the last 3 messages on the channel, so it moved down one place.",
    "{channel} moves down one place: the client did not react to the last 3 messages there.",
)
FREQUENCY_CAP = _reason(
    "frequency_cap",
    "A client gets only so many messages in a day; the rest wait for a later one.",
    "Held until {until}: the client already gets as many messages as one day may have.",
)
BEST_HOUR = _reason(
    "best_hour",
    "Messages of low urgency go out at one time of the day: the hour at which the client reacts most.",
    "Held until {until}: the hour at which this client reacts most.",
)
CLIENT_FREQUENCY = _reason(
    "client_frequency",
    "The client wants such messages once a day or once a week.",
    "Held until {until}: the client wants such messages less often.",
)
SLOT_GAVE_WAY = _reason(
    "slot_gave_way",
    "The time at which such messages go out would be too late, so the message goes out before it.",
    "Not held for the time at which such messages go out: that would be too late.",
)
JOINS_DIGEST = _reason(
    "joins_digest",
    "The message is held, and goes out in one digest with the client's others.",
    "It joins the digest of that time.",
)
BRINGS_TOGETHER = _reason(
    "brings_together",
    "A digest: messages of the client that could wait go out in one.",
    "It brings together {count} messages that could wait.",
)
DIGEST_CHANGED = _reason(
    "digest_changed",
    "A message of the digest may not go out now, so it was taken apart; the others wait for a new one.",
    "Not sent: one of its messages may not go out now; the others go out in a new digest.",
)
DEADLINE_PASSED = _reason(
    "deadline_passed",
    "The request's deliver_by was over when it came.",
    "Give a deliver_by that lies ahead, or leave it out: {until} was over already.",
)

# What the plan's stage decides
STAGE_PASSED = _reason(
    "stage_passed",
    "The plan has passed this step, and its message came before.",
    "Not sent: the plan has passed this step.",
)

# Found by the check before sending
ERASED = _reason("erased", "The client was erased.", "Not sent: the client was erased.")
PLAN_CANCELLED = _reason("plan_cancelled", "The plan was cancelled.", "Not sent: the plan was cancelled.")
CANCEL_REQUESTED = _reason(
    "cancel_requested", "Somebody cancelled the message.", "Not sent: it was cancelled in time."
)

REPLACED = _reason("replaced", "A newer message took its place.", "Not sent: a newer message took its place.")
QUESTION_CLOSED = _reason(
    "question_closed",
    "The plan has gone on, so the client is not asked this any more.",
    "Not sent: the plan has gone on, so the client is not asked this any more.",
)
ANSWERED = _reason(
    "answered", "The client has answered already.", "Not sent by {channel}: the client has answered already."
)
MOVED_CHANNEL = _reason(
    "moved_channel",
    "The channel that it was planned for is not open any more; it goes out on another.",
    "{channel} is used now: the channel that it was planned for is not open any more.",
)

EVERYTHING_PAUSED = _reason(
    "everything_paused",
    "All sending is paused; the message waits until that is lifted.",
    "Waits: all sending is paused.",
)
CHANNEL_PAUSED = _reason(
    "channel_paused",
    "The channel is paused; the message waits until that is lifted.",
    "Waits: {channel} is paused.",
)
PLAN_PAUSED = _reason(
    "plan_paused",
    "The plan is paused; the message waits until that is lifted.",
    "Waits: messages of this plan are paused.",
)
TYPE_PAUSED = _reason(
    "type_paused",
    "The message type is paused; the message waits until that is lifted.",
    "Waits: messages of this kind are paused.",
)
NOT_ON_ALLOW_LIST = _reason(
    "not_on_allow_list",
    "This installation writes only to the recipients on its allow-list.",
    "Not sent by {channel}: this installation writes only to the recipients on its allow-list.",
)

# Found when sending
CIRCUIT_OPEN = _reason(
    "circuit_open",
    "The provider has failed several times in a row; what waits goes out once it answers again.",
    "Waits: the provider does not answer at the moment.",
)
CIRCUIT_OPEN_CONFIGURATION = _reason(
    "circuit_open_configuration",
    "Our account with the provider is not in order; what waits goes out once it is.",
    "Waits: our account with the provider is not in order.",
)
OWN_RATE_LIMIT = _reason(
    "own_rate_limit",
    "The channel's own limit of messages a second was reached; the message waits for its turn.",
    "Waits for its turn: we send no faster by {channel}.",
)

# After a call
ACCEPTED = _reason("accepted", "The provider accepted the message.", "The provider accepted it.")
RETRY_LATER = _reason(
    "retry_later",
    "A passing trouble; the same channel is tried again.",
    "A passing trouble: tried again in {wait}.",
)
RETRIES_USED_UP = _reason(
    "retries_used_up", "The retries on this channel are used up.", "The retries on this channel are used up."
)
RATE_LIMITED = _reason(
    "rate_limited",
    "The provider's rate limit; put back without spending a retry.",
    "The provider asked us to slow down: put back for {wait}.",
)
DEFERRED_LONG = _reason(
    "deferred_long",
    "The provider takes the message only later.",
    "The provider takes it only later: put back for {wait}.",
)
RECIPIENT_REFUSED = _reason(
    "recipient_refused",
    "The provider says that the address or number cannot be delivered to.",
    "The address or number cannot be delivered to.",
)
RECIPIENT_UNSURE = _reason(
    "recipient_unsure",
    "The recipient could not be reached this time.",
    "The recipient could not be reached.",
)
CONTENT_REFUSED = _reason(
    "content_refused", "The provider refused the text.", "The provider refused the text; it is not repeated."
)
NEEDS_TEMPLATE = _reason(
    "needs_template",
    "The channel takes an approved template only.",
    "The channel takes an approved template only; sent again with one.",
)
NO_TEMPLATE = _reason(
    "no_template",
    "The channel takes an approved template only, and there is none.",
    "The channel takes an approved template only, and there is none.",
)
OTHER_PROVIDER = _reason(
    "other_provider",
    "Our account with the provider is not in order; the channel has another provider, which is asked at once.",
    "Our account with the provider is not in order; another provider of the channel is asked at once.",
)
CONFIGURATION = _reason(
    "configuration",
    "Our account with the provider is not in order.",
    "Our account with the provider is not in order.",
)
CONFIGURATION_HOLD = _reason(
    "configuration_hold",
    "Our e-mail account is not in order; e-mail waits until it is.",
    "Our e-mail account is not in order: put back for {wait}.",
)
OPTED_OUT = _reason(
    "opted_out", "The provider says that the client opted out.", "The client opted out of this channel."
)
OUTCOME_UNKNOWN = _reason(
    "outcome_unknown",
    "The message may have arrived; it is not repeated without evidence.",
    "It is not known whether it arrived, so it is not repeated.",
)
TOO_LATE = _reason(
    "too_late",
    "Another try would come after the message's deadline or expiry.",
    "Another try would come too late.",
)

CATALOGUE: Final[tuple[ReasonCode, ...]] = tuple(_catalogue.values())
"""Every reason that there is, in the order of this file."""

REASONS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {reason.code: reason.description for reason in CATALOGUE}
)
"""Code → what it means."""
