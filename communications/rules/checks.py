"""The check before sending: may this communication go out at this instant, and until when.

It runs on the database's state just before the fence. The order of the rules is the order in which their
reasons count.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from communications.choices import Cause
from communications.rules import reasons
from communications.rules.pauses import REASON_OF, OpenPause
from communications.rules.reasons import CHANNEL_WORDS, Reason, ReasonCode
from communications.rules.timing import Never, Terms, time_to_send

_OF_THE_CHANNEL: Final = frozenset(
    code.code
    for code in (
        reasons.NO_CONTACT_POINT,
        reasons.SUPPRESSED,
        reasons.NO_CONSENT,
        reasons.UNDELIVERABLE,
        reasons.NOT_CHOSEN,
    )
)
NOT_CONFIGURED_WAIT: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class CheckFacts:
    """One claimed communication as the database has it now. `not_chosen`: the client chose other channels
    and it is not critical. `configured`: its channel has a connector. `on_allow_list`
    is true too where this installation has no such list. `replaced`, `question_closed`, `answered`: since it was
    accepted."""

    terms: Terms
    has_contact_point: bool
    consent_allowed: bool
    suppressed: bool = False
    not_chosen: bool = False
    undeliverable: bool = False
    client_erased: bool = False
    plan_cancelled: bool = False
    configured: bool = True
    on_allow_list: bool = True
    replaced: bool = False
    question_closed: bool = False
    answered: bool = False
    pause: OpenPause | None = None


@dataclass(frozen=True)
class Go:
    """It may be sent before `send_before`: the end of the window, or the deadline."""

    send_before: datetime


@dataclass(frozen=True)
class NotNow:
    """It goes back to the queue until `due_at`. With `pause`: until that is lifted, and `due_at` is when it would be
    too late."""

    due_at: datetime
    reasons: tuple[Reason, ...]
    pause: OpenPause | None = None


@dataclass(frozen=True)
class Refuse:
    """It is cancelled."""

    cause: Cause
    reason: Reason

    @property
    def leaves_channel(self) -> bool:
        """Whether it is the channel that may not be used, so that another one may do."""
        return self.reason.code in _OF_THE_CHANNEL


def check(facts: CheckFacts, now: datetime) -> Go | NotNow | Refuse:
    """What may become of a claimed communication at `now`."""
    refused = _refusal(facts)
    if refused is not None:
        return refused
    if facts.pause is not None:
        return _until_lifted(facts.terms, facts.pause, now)
    if not facts.configured:
        return _until_configured(facts.terms, now)
    due = time_to_send(facts.terms, now)
    if isinstance(due, Never):
        return Refuse(Cause.REFUSED_BY_CHECK, due.reason)
    if due.at > now:
        return NotNow(due.at, due.reasons)
    return Go(due.send_before)


def _until_lifted(terms: Terms, pause: OpenPause, now: datetime) -> NotNow | Refuse:
    """It waits for as long as it is worth sending. Its window is asked for when the pause is lifted."""
    due = time_to_send(terms, now)
    if isinstance(due, Never):
        return Refuse(Cause.REFUSED_BY_CHECK, due.reason)
    reason = REASON_OF[pause.scope].because(channel=CHANNEL_WORDS[terms.channel])
    return NotNow(_ends_at(terms), (reason,), pause)


def _ends_at(terms: Terms) -> datetime:
    return terms.expires_at if terms.deliver_by is None else min(terms.expires_at, terms.deliver_by)


def _until_configured(terms: Terms, now: datetime) -> NotNow | Refuse:
    """Somebody took the settings away: it waits until they are back or it would be too late."""
    reason = reasons.NOT_CONFIGURED.because(channel=CHANNEL_WORDS[terms.channel])
    again_at = now + NOT_CONFIGURED_WAIT
    if again_at < _ends_at(terms):
        return NotNow(again_at, (reason,))
    return Refuse(Cause.REFUSED_BY_CHECK, reason)


def _refusal(facts: CheckFacts) -> Refuse | None:
    """What no waiting would change."""
    rules: tuple[tuple[bool, Cause, ReasonCode], ...] = (
        (facts.client_erased, Cause.REFUSED_BY_CHECK, reasons.ERASED),
        (facts.plan_cancelled, Cause.REFUSED_BY_CHECK, reasons.PLAN_CANCELLED),
        (facts.replaced, Cause.REFUSED_BY_CHECK, reasons.REPLACED),
        (facts.question_closed, Cause.REFUSED_BY_CHECK, reasons.QUESTION_CLOSED),
        (facts.answered, Cause.REFUSED_BY_CHECK, reasons.ANSWERED),
        (not facts.has_contact_point, Cause.REFUSED_BY_CHECK, reasons.NO_CONTACT_POINT),
        (facts.suppressed, Cause.REFUSED_BY_CHECK, reasons.SUPPRESSED),
        (not facts.consent_allowed, Cause.REFUSED_BY_CHECK, reasons.NO_CONSENT),
        (facts.undeliverable, Cause.REFUSED_BY_CHECK, reasons.UNDELIVERABLE),
        (facts.not_chosen, Cause.REFUSED_BY_CHECK, reasons.NOT_CHOSEN),
        (not facts.on_allow_list, Cause.REFUSED_BY_CHECK, reasons.NOT_ON_ALLOW_LIST),
    )
    for broken, cause, code in rules:
        if broken:
            return Refuse(cause, code.because(channel=CHANNEL_WORDS[facts.terms.channel]))
    return None
