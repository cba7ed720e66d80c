"""The words of a story: causes, reasons and outcome classes as people say them.

A clause stands after "because". Names and channels are filled in with `str.format`, once, as values.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from communications.choices import Cause, OutcomeClass, ReceiptKind, Status


@dataclass(frozen=True)
class CauseWords:
    """`label` names the event in a list; `sentence` tells it in the story. None: the story tells it in its own
    way, or it says nothing that people need."""

    label: str
    sentence: str | None = None


CAUSES: Final[MappingProxyType[str, CauseWords]] = MappingProxyType(
    {
        Cause.PLANNED: CauseWords("Planned"),
        Cause.DIGEST_HELD: CauseWords("Held for the digest", "It was held for the next digest."),
        Cause.NO_OPEN_CHANNEL: CauseWords(
            "Not sent: no open channel", "It was not sent, because no channel is open for {client}."
        ),
        Cause.DEADLINE_UNREACHABLE: CauseWords(
            "Not sent: too late", "It was not sent, because it could not have gone out in time."
        ),
        Cause.STAGE_PASSED: CauseWords(
            "Not sent: the plan has moved on",
            "It was not sent, because the plan had already passed this step.",
        ),
        Cause.REPLANNED: CauseWords("Planned for another time"),
        Cause.PREFERS_DIGEST: CauseWords(
            "Held for the digest", "At {at} it was held for the next digest, as {client} prefers."
        ),
        Cause.PREFERS_AT_ONCE: CauseWords(
            "Taken out of the digest",
            "At {at} it was taken out of the digest, because {client} prefers messages at once.",
        ),
        Cause.DIGEST_MADE: CauseWords("Put into a digest", "At {at} it was put into a digest."),
        Cause.DIGEST_OF_ONE: CauseWords(
            "Sent by itself", "At {at} it was the only message of its digest, so it goes by itself."
        ),
        Cause.DIGEST_DISSOLVED: CauseWords(
            "Back from a digest", "At {at} its digest was taken apart, and it was held again."
        ),
        Cause.CALLER_CANCELLED: CauseWords("Cancelled", "{by} cancelled it at {at}."),
        Cause.CANCEL_REQUESTED: CauseWords("Cancelled in time", "It was cancelled in time, at {at}."),
        Cause.PLAN_CANCELLED: CauseWords(
            "Cancelled with its plan", "It was cancelled at {at}, because the plan was cancelled."
        ),
        Cause.REPLACED: CauseWords(
            "Replaced", "It was cancelled at {at}, because a newer message took its place."
        ),
        Cause.QUESTION_CLOSED: CauseWords(
            "Cancelled: the plan has moved on",
            "It was cancelled at {at}, because the plan had moved on and its question was closed.",
        ),
        Cause.ERASED: CauseWords(
            "Cancelled: the client was erased",
            "It was cancelled at {at}, because everything about the client was erased.",
        ),
        Cause.STAFF_RESEND: CauseWords("Sent again", "{by} had it sent again at {at}."),
        Cause.STAFF_RETRY: CauseWords("Tried again", "{by} had it tried again at {at}."),
        Cause.STAFF_GAVE_UP: CauseWords("Given up", "{by} gave it up at {at}."),
        Cause.STAFF_UNDO: CauseWords(
            "Answer taken back", "{by} took back at {at} an answer that had been read wrongly."
        ),
        Cause.CLAIMED: CauseWords("Taken for sending"),
        Cause.REFUSED_BY_CHECK: CauseWords("Stopped by the check before sending"),
        Cause.NOT_NOW: CauseWords("Not yet"),
        Cause.NOT_CALLED: CauseWords(
            "Put back before the call",
            "At {at} something had just changed, so it was put back and checked again.",
        ),
        Cause.ACCEPTED: CauseWords("Accepted"),
        Cause.RETRY: CauseWords("Put back: to be tried again"),
        Cause.RATE_LIMITED: CauseWords("Put back: rate limit"),
        Cause.DEFERRED: CauseWords("Put back: later, says the provider"),
        Cause.CONFIGURATION: CauseWords("Put back: our account is not in order"),
        Cause.NEXT_CHANNEL: CauseWords("On to another channel"),
        Cause.NO_CHANNEL_LEFT: CauseWords("Failed: no channel left"),
        Cause.OUTCOME_UNKNOWN: CauseWords("In doubt: no answer"),
        Cause.LEASE_LAPSED_UNCALLED: CauseWords(
            "Put back: its worker stopped",
            "The worker that had taken it stopped before sending it, so it was put back at {at}.",
        ),
        Cause.LEASE_LAPSED_CALLED: CauseWords(
            "In doubt: its worker stopped",
            "The worker stopped in the middle of sending it, so it is not known whether it arrived.",
        ),
        Cause.LEASE_LAPSED_TOO_OFTEN: CauseWords(
            "Failed: its workers stopped", "Its workers stopped again and again, so it was given up at {at}."
        ),
        Cause.RECEIPT: CauseWords("Told by the provider"),
        Cause.TRACKING: CauseWords("Seen by us"),
        Cause.ANSWER: CauseWords("Answered"),
        Cause.LATE_EVIDENCE: CauseWords("Known later"),
        Cause.EVIDENCE_NOT_ARRIVED: CauseWords(
            "Put back: it had not arrived",
            "At {at} it turned out that it had not gone out, so it was put back.",
        ),
        Cause.UNDELIVERED: CauseWords("Not delivered"),
        Cause.BOUNCED: CauseWords("Came back"),
        Cause.NO_RECEIPT: CauseWords("No receipt", "No receipt had come by {at}."),
    }
)

PROGRESS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        Status.SENT: "It turned out later that it had gone out at {at}.",
        Status.DELIVERED: "It arrived at {at}.",
        Status.OPENED: "It was opened at {at}.",
        Status.CLICKED: "A link in it was opened at {at}.",
        Status.RESPONDED: "{client} answered at {at}.",
    }
)
"""What evidence shows, by the status that it leads to."""

TOLD_BESIDE: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        ReceiptKind.DEFERRED: "At {at} {provider} told us that it takes longer to deliver it.",
        ReceiptKind.UNDELIVERED: "At {at} {provider} told us that it had not arrived; by then that changed nothing.",
        ReceiptKind.BOUNCED: "It came back at {at}; by then that changed nothing.",
        ReceiptKind.COMPLAINED: "At {at} {client} reported it as unwanted.",
        ReceiptKind.UNSUBSCRIBED: "At {at} {client} asked for no more such messages.",
        ReceiptKind.AUTO_REPLY: "An automatic answer came at {at}.",
        ReceiptKind.REPLY: "{client} wrote back at {at}.",
    }
)
"""What a provider told without changing the status, where people should know of it."""

REASON_CLAUSES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "preferred_channel": "the request asked for it",
        "whatsapp_first": "the message is urgent and {client} chose WhatsApp",
        "critical_order": "the message is critical",
        "detailed_email_first": "the message is detailed",
        "client_order": "{client} put it first",
        "usual_channel": "it is the usual channel for this message",
        "other_channel": "the usual channels for this message are not open",
        "only_open_channel": "it is the only channel open for {client}",
        "sent_again": "the earlier message had this channel",
        "preferred_not_used": "this message does not go out by the channel that was asked for",
        "critical_any_channel": "the message is critical",
        "no_contact_point": "no {address} of {client} is known",
        "no_consent": "{client} opted out of {channel} or never agreed to it",
        "suppressed": "the {address} of {client} is not to be written to",
        "undeliverable": "the {address} of {client} cannot be delivered to",
        "not_chosen": "{client} chose other channels",
        "not_configured": "{channel} is not set up here",
        "cannot_carry": "{channel} cannot carry this content",
        "no_open_channel": "no channel is open for {client}",
        "critical_now": "the message is critical",
        "send_at": "the request asked for this time",
        "paused": "messages to {client} are paused",
        "quiet_hours": "of {client}’s quiet hours",
        "night": "of the night",
        "sms_hours": "SMS goes out between 08:00 and 21:00 only",
        "contact_window": "of the contact window",
        "contact_window_gave_way": "quiet hours leave nothing of the contact window",
        "digest_slot": "messages of low urgency go out once a day",
        "more_engagement": "{client} did not react to the last messages on the channel before it",
        "low_engagement": "{client} did not react to the last 3 messages there",
        "frequency_cap": "{client} already gets as many messages as one day may have",
        "best_hour": "it is the hour at which {client} reacts most",
        "client_frequency": "{client} wants such messages less often",
        "slot_gave_way": "the usual time of such messages would be too late",
        "joins_digest": "it joins a digest",
        "brings_together": "it brings together messages that could wait",
        "digest_changed": "one of its messages may not go out now",
        "deadline_passed": "the deadline of the request was over when it came",
        "default_timezone": "the timezone of {client} is not known",
        "no_sending_hours": "quiet hours and night leave {channel} no time of the day",
        "expired": "it would have been too old to be worth sending",
        "event_passed": "the event would have been over",
        "cannot_meet_deadline": "it could not go out before the deadline of the request",
        "erased": "everything about the client was erased",
        "stage_passed": "the plan had already passed this step",
        "plan_cancelled": "the plan was cancelled",
        "cancel_requested": "somebody cancelled it",
        "replaced": "a newer message took its place",
        "question_closed": "the plan has gone on and {client} is not asked this any more",
        "answered": "{client} has answered already",
        "moved_channel": "the channel that it was planned for is not open any more",
        "everything_paused": "all sending is paused",
        "channel_paused": "{channel} is paused",
        "plan_paused": "messages of this plan are paused",
        "type_paused": "messages of the kind “{label}” are paused",
        "not_on_allow_list": "this installation writes only to the recipients on its allow-list",
        "circuit_open": "{provider} does not answer at the moment",
        "circuit_open_configuration": "our account with {provider} is not in order",
        "own_rate_limit": "we send no faster by {channel}",
        "accepted": "it was accepted",
        "retry_later": "the trouble was a passing one",
        "retries_used_up": "all tries were used up",
        "rate_limited": "{provider} asked us to slow down",
        "deferred_long": "{provider} takes it only later",
        "recipient_refused": "the {address} cannot be delivered to",
        "recipient_unsure": "the recipient could not be reached",
        "content_refused": "{provider} refused the text",
        "needs_template": "{channel} takes an approved template only",
        "no_template": "{channel} takes an approved template only, and there is none",
        "other_provider": "our account with {provider} is not in order, and another one was asked",
        "configuration": "our account with {provider} is not in order",
        "configuration_hold": "our account with {provider} is not in order",
        "opted_out": "{client} opted out of {channel}",
        "outcome_unknown": "it is not known whether it arrived",
        "too_late": "another try would have come too late",
    }
)

OUTCOMES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        OutcomeClass.ACCEPTED: "accepted it",
        OutcomeClass.TRANSIENT: "asked us to try later",
        OutcomeClass.RATE_LIMITED: "asked us to slow down",
        OutcomeClass.DEFERRED_LONG: "said that it takes the message only later",
        OutcomeClass.RECIPIENT: "said that the {address} does not exist",
        OutcomeClass.WEAK_RECIPIENT: "said that it cannot reach the recipient",
        OutcomeClass.CONTENT: "refused the message itself",
        OutcomeClass.NEEDS_TEMPLATE: "wanted an approved template",
        OutcomeClass.CONFIG: "did not let us in: our account is not in order",
        OutcomeClass.OPTED_OUT: "said that {client} opted out",
        OutcomeClass.AMBIGUOUS: "did not confirm it",
    }
)
"""What the provider did, after its name."""

FAILED_ACTIONS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        OutcomeClass.ACCEPTED: "Ask {client} whether it arrived.",
        OutcomeClass.TRANSIENT: "Reach {client} in another way if it cannot wait; else try it again later.",
        OutcomeClass.RATE_LIMITED: "Try it again later.",
        OutcomeClass.DEFERRED_LONG: "Reach {client} in another way if it cannot wait; else try it again later.",
        OutcomeClass.RECIPIENT: "Correct the {address} of {client}, then try it again.",
        OutcomeClass.WEAK_RECIPIENT: "Check the {address} with {client}, then try it again.",
        OutcomeClass.CONTENT: "Change the text or its template, then ask for the message again.",
        OutcomeClass.NEEDS_TEMPLATE: "Have a template approved, then ask for the message again.",
        OutcomeClass.CONFIG: "Put our account with {provider} in order, then try it again.",
        OutcomeClass.OPTED_OUT: "Reach {client} on a channel that they still want.",
        OutcomeClass.AMBIGUOUS: "Ask {client} whether it arrived before it is tried again.",
    }
)
"""The one thing that helps once a communication has failed, by the last outcome."""

CANCELLED_ACTIONS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "no_contact_point": "Add an {address} for {client}, then send it after all.",
        "undeliverable": "Correct the {address} of {client}, then send it after all.",
        "not_chosen": "Reach {client} on a channel that they chose.",
        "no_open_channel": "Find out how {client} wants to be reached, then send it after all.",
        "not_on_allow_list": "Write to {client} from the real installation, or put the {address} on the allow-list.",
        "not_configured": "Set {channel} up, then send it after all.",
        "no_sending_hours": "Agree on other quiet hours with {client}, then send it after all.",
        "cannot_meet_deadline": "Reach {client} in another way if it still matters.",
        "expired": "Send it after all if it still matters.",
    }
)
"""Where something can be done about a message that was not sent; most were cancelled on purpose."""
