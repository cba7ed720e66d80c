"""Words of the engine that need no Django. The models put their labels on them."""

from enum import StrEnum


class MessageType(StrEnum):
    """What a message is about; the rules of each are in `rules/message_types.py`. `digest` is made here, of several
    that can wait; nobody asks for it."""

    WELCOME = "welcome"
    BUDGET_SUMMARY = "budget_summary"
    VENDOR_OPTIONS = "vendor_options"
    SELECTION_CONFIRMATION = "selection_confirmation"
    BLUEPRINT_DELIVERY = "blueprint_delivery"
    ERROR_NOTIFICATION = "error_notification"
    REMINDER = "reminder"
    TIMELINE_UPDATE = "timeline_update"
    TASK_UPDATE = "task_update"
    CUSTOM = "custom"
    DIGEST = "digest"


class Urgency(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class ContentType(StrEnum):
    """How much a message says: everything, what is wrong, or only what is needed."""

    DETAILED = "detailed"
    ALERT = "alert"
    SHORT = "short"


class Role(StrEnum):
    """The primary answers the API and is waited for; companions go beside it on other channels."""

    PRIMARY = "primary"
    COMPANION = "companion"


class Status(StrEnum):
    """Of a communication. Which may follow which: `rules/lifecycle.py`."""

    SCHEDULED = "scheduled"
    HELD = "held"
    MERGED = "merged"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    RESPONDED = "responded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptStatus(StrEnum):
    """Of one call of a provider."""

    CALLING = "calling"
    NOT_CALLED = "not_called"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"


class OutcomeClass(StrEnum):
    """What a provider's answer means to us. What each does: `rules/retry.py`."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    DEFERRED_LONG = "deferred_long"
    RECIPIENT = "recipient"
    WEAK_RECIPIENT = "weak_recipient"
    CONTENT = "content"
    NEEDS_TEMPLATE = "needs_template"
    CONFIG = "config"
    OPTED_OUT = "opted_out"
    AMBIGUOUS = "ambiguous"


class PauseScope(StrEnum):
    """What a pause holds, the widest first."""

    EVERYTHING = "everything"
    CHANNEL = "channel"
    MESSAGE_TYPE = "message_type"
    PLAN = "plan"


class AttentionKind(StrEnum):
    """What the engine asks a person to do.

    in_doubt: find out whether the message arrived, then send it again or give it up. delivery_failed: reach
    the client in another way, or correct the address and try again. provider_configuration: put our account
    with the provider in order; what waits goes out by itself then. journal_rejected: look at the lines of a
    lost worker that the database did not take, for they tell how calls ended. request_refused: a program
    asked for a message that cannot be sent; correct its request or the plan's data. not_sent: no channel is
    open, or the message could not go out in time; reach the client in another way. accepted_then_refused: a
    request was accepted while the database was away and could not be stored when it was back; its caller does
    not know. address_undeliverable: an address or number does not work; ask the client for another one.
    receipt_rejected: something that a provider told could not be read; look at it with whoever runs the system.
    reply_received: somebody wrote to us; read it and answer. mailbox_failing: the mailbox for answers and bounces
    cannot be read; put its account in order.
    """

    IN_DOUBT = "in_doubt"
    DELIVERY_FAILED = "delivery_failed"
    PROVIDER_CONFIGURATION = "provider_configuration"
    JOURNAL_REJECTED = "journal_rejected"
    REQUEST_REFUSED = "request_refused"
    NOT_SENT = "not_sent"
    ACCEPTED_THEN_REFUSED = "accepted_then_refused"
    ADDRESS_UNDELIVERABLE = "address_undeliverable"
    RECEIPT_REJECTED = "receipt_rejected"
    REPLY_RECEIVED = "reply_received"
    MAILBOX_FAILING = "mailbox_failing"


class ReceiptKind(StrEnum):
    """What a provider tells about a message after the call. What each does: `rules/receipts.py`.

    unread: stored as it came, read when it is processed. other: nothing that we act upon.
    """

    UNREAD = "unread"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    AUTO_REPLY = "auto_reply"
    REPLY = "reply"
    OTHER = "other"


class ReceiptVerdict(StrEnum):
    """What became of a receipt. `applied`: it belongs to an attempt and is kept with it. `unmatched`: no attempt
    turned up for it. `ignored`: nothing that we act upon. `rejected`: it could not be processed."""

    WAITING = "waiting"
    APPLIED = "applied"
    IGNORED = "ignored"
    UNMATCHED = "unmatched"
    REJECTED = "rejected"


class Cause(StrEnum):
    """Why a communication changed its status. Kept with every event; finer reasons stand beside it."""

    # Planning
    PLANNED = "planned"
    DIGEST_HELD = "digest_held"
    NO_OPEN_CHANNEL = "no_open_channel"
    DEADLINE_UNREACHABLE = "deadline_unreachable"
    STAGE_PASSED = "stage_passed"
    REPLANNED = "replanned"  # the time moved, the status did not
    # Digests
    PREFERS_DIGEST = "prefers_digest"
    PREFERS_AT_ONCE = "prefers_at_once"
    DIGEST_MADE = "digest_made"
    DIGEST_OF_ONE = "digest_of_one"
    DIGEST_DISSOLVED = "digest_dissolved"
    # Somebody's wish
    CALLER_CANCELLED = "caller_cancelled"
    CANCEL_REQUESTED = "cancel_requested"
    PLAN_CANCELLED = "plan_cancelled"
    REPLACED = "replaced"
    QUESTION_CLOSED = "question_closed"
    ERASED = "erased"
    STAFF_RESEND = "staff_resend"
    STAFF_RETRY = "staff_retry"
    STAFF_GAVE_UP = "staff_gave_up"
    STAFF_UNDO = "staff_undo"
    # Sending
    CLAIMED = "claimed"
    REFUSED_BY_CHECK = "refused_by_check"
    NOT_NOW = "not_now"
    NOT_CALLED = "not_called"
    ACCEPTED = "accepted"
    RETRY = "retry"
    RATE_LIMITED = "rate_limited"
    DEFERRED = "deferred"
    CONFIGURATION = "configuration"  # put back because our account with the provider is not in order
    NEXT_CHANNEL = "next_channel"
    NO_CHANNEL_LEFT = "no_channel_left"
    OUTCOME_UNKNOWN = "outcome_unknown"
    LEASE_LAPSED_UNCALLED = "lease_lapsed_uncalled"
    LEASE_LAPSED_CALLED = "lease_lapsed_called"
    LEASE_LAPSED_TOO_OFTEN = "lease_lapsed_too_often"
    # Evidence
    RECEIPT = "receipt"
    TRACKING = "tracking"
    ANSWER = "answer"
    LATE_EVIDENCE = "late_evidence"
    EVIDENCE_NOT_ARRIVED = "evidence_not_arrived"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    NO_RECEIPT = "no_receipt"
