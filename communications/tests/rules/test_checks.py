"""The check before sending: each refusal with its reason, and until when a go holds."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from communications.choices import Cause, MessageType, PauseScope, Status, Urgency
from communications.rules.checks import CheckFacts, Go, NotNow, Refuse, check
from communications.rules.lifecycle import decide
from communications.rules.pauses import REASON_OF, OpenPause, holding
from communications.rules.timing import Terms
from core.choices import Channel
from preferences.rules.windows import Window

ROME = ZoneInfo("Europe/Rome")
NOON = datetime(2026, 11, 21, 12, tzinfo=ROME).astimezone(UTC)
NIGHT = datetime(2026, 11, 21, 23, tzinfo=ROME).astimezone(UTC)
TERMS = Terms(
    urgency=Urgency.NORMAL,
    channel=Channel.EMAIL,
    zone=ROME,
    expires_at=datetime(2026, 11, 28, tzinfo=UTC),
    quiet_hours=Window(time(20), time(7)),
)
FINE = CheckFacts(terms=TERMS, has_contact_point=True, consent_allowed=True)
QUARTER = timedelta(minutes=15)
LONG_GONE = datetime(2026, 11, 20, tzinfo=UTC)


def test_go_until_the_window_ends():
    assert check(FINE, NOON) == Go(datetime(2026, 11, 21, 20, tzinfo=ROME))


def test_go_until_the_deadline():
    soon = replace(FINE, terms=replace(TERMS, deliver_by=datetime(2026, 11, 21, 13, tzinfo=ROME)))
    assert check(soon, NOON) == Go(datetime(2026, 11, 21, 13, tzinfo=ROME))


@pytest.mark.parametrize("urgency", list(Urgency))
def test_outside_the_window_it_waits_unless_critical(urgency):
    verdict = check(replace(FINE, terms=replace(TERMS, urgency=urgency)), NIGHT)
    if urgency is Urgency.CRITICAL:
        assert verdict == Go(TERMS.expires_at)
        return
    hour = {Urgency.HIGH: 8, Urgency.NORMAL: 9, Urgency.LOW: 10}[urgency]
    assert isinstance(verdict, NotNow)
    assert verdict.due_at == datetime(2026, 11, 22, hour, tzinfo=ROME)
    assert verdict.reasons


@pytest.mark.parametrize("setting", ["pause_until", "send_at"])
def test_a_pause_or_a_later_time_set_meanwhile_is_waited_for(setting):
    later = datetime(2026, 11, 22, 15, tzinfo=ROME)
    verdict = check(replace(FINE, terms=replace(TERMS, **{setting: later})), NOON)
    assert isinstance(verdict, NotNow)
    assert verdict.due_at == later


def test_low_goes_some_minutes_after_its_slot():
    late = datetime(2026, 11, 21, 10, 7, tzinfo=ROME).astimezone(UTC)
    assert isinstance(check(replace(FINE, terms=replace(TERMS, urgency=Urgency.LOW)), late), Go)


@pytest.mark.parametrize(
    ("changes", "cause", "code"),
    [
        ({"client_erased": True}, Cause.REFUSED_BY_CHECK, "erased"),
        ({"plan_cancelled": True}, Cause.REFUSED_BY_CHECK, "plan_cancelled"),
        ({"has_contact_point": False}, Cause.REFUSED_BY_CHECK, "no_contact_point"),
        ({"on_allow_list": False}, Cause.REFUSED_BY_CHECK, "not_on_allow_list"),
        ({"consent_allowed": False}, Cause.REFUSED_BY_CHECK, "no_consent"),
        ({"not_chosen": True}, Cause.REFUSED_BY_CHECK, "not_chosen"),
        ({"consent_allowed": False, "suppressed": True}, Cause.REFUSED_BY_CHECK, "suppressed"),
        ({"undeliverable": True}, Cause.REFUSED_BY_CHECK, "undeliverable"),
        ({"client_erased": True, "has_contact_point": False}, Cause.REFUSED_BY_CHECK, "erased"),
    ],
)
@pytest.mark.parametrize("urgency", [Urgency.NORMAL, Urgency.CRITICAL])
@pytest.mark.parametrize("now", [NOON, NIGHT], ids=["noon", "night"])
def test_refusals(changes, cause, code, urgency, now):
    """PRF-3: critical or not, by day or night."""
    verdict = check(replace(FINE, terms=replace(TERMS, urgency=urgency), **changes), now)
    assert isinstance(verdict, Refuse)
    assert (verdict.cause, verdict.reason.code) == (cause, code)
    assert decide(Status.SCHEDULED, Status.CANCELLED, verdict.cause) is Status.CANCELLED


@pytest.mark.parametrize(
    ("changes", "now", "code"),
    [
        ({"expires_at": NOON}, NOON, "expired"),
        ({"deliver_by": NOON}, NOON, "cannot_meet_deadline"),
        ({"deliver_by": datetime(2026, 11, 22, 8, tzinfo=ROME)}, NIGHT, "cannot_meet_deadline"),
        ({"expires_at": NOON, "ends_with_event": True}, NOON, "event_passed"),
    ],
)
def test_too_late_is_refused(changes, now, code):
    verdict = check(replace(FINE, terms=replace(TERMS, **changes)), now)
    assert isinstance(verdict, Refuse)
    assert (verdict.cause, verdict.reason.code) == (Cause.REFUSED_BY_CHECK, code)


@pytest.mark.parametrize("urgency", [Urgency.NORMAL, Urgency.CRITICAL])
@pytest.mark.parametrize("now", [NOON, NIGHT], ids=["noon", "night"])
def test_without_a_connector_it_waits(urgency, now):
    verdict = check(replace(FINE, configured=False, terms=replace(TERMS, urgency=urgency)), now)
    assert isinstance(verdict, NotNow)
    assert verdict.due_at == now + QUARTER
    assert [reason.code for reason in verdict.reasons] == ["not_configured"]


@pytest.mark.parametrize(
    ("expires_at", "deliver_by"),
    [
        (NOON + QUARTER, None),
        (TERMS.expires_at, NOON + QUARTER),
        (NOON + QUARTER, TERMS.expires_at),
        (TERMS.expires_at, NOON),
        (LONG_GONE, None),
    ],
)
def test_without_a_connector_it_waits_only_while_that_meets_its_deadline(expires_at, deliver_by):
    terms = replace(TERMS, expires_at=expires_at, deliver_by=deliver_by)
    verdict = check(replace(FINE, configured=False, terms=terms), NOON)
    assert isinstance(verdict, Refuse)
    assert (verdict.cause, verdict.reason.code) == (Cause.REFUSED_BY_CHECK, "not_configured")
    last_try = min(expires_at, deliver_by or expires_at) - QUARTER
    a_moment_earlier = check(
        replace(FINE, configured=False, terms=terms), last_try - timedelta(microseconds=1)
    )
    assert isinstance(a_moment_earlier, NotNow)


def test_a_refusal_counts_more_than_a_missing_connector():
    verdict = check(replace(FINE, configured=False, plan_cancelled=True), NOON)
    assert isinstance(verdict, Refuse)
    assert verdict.reason.code == "plan_cancelled"


EVERYTHING = OpenPause(UUID(int=1), PauseScope.EVERYTHING, "")


@pytest.mark.parametrize("urgency", list(Urgency))
@pytest.mark.parametrize("now", [NOON, NIGHT], ids=["noon", "night"])
def test_paused_it_waits_for_as_long_as_it_is_worth_sending(urgency, now):
    """Critical or not, by day or night; the window is asked for once the pause is lifted."""
    soon = NIGHT + timedelta(days=1)
    for terms, due_at in ((TERMS, TERMS.expires_at), (replace(TERMS, deliver_by=soon), soon)):
        verdict = check(replace(FINE, pause=EVERYTHING, terms=replace(terms, urgency=urgency)), now)
        assert isinstance(verdict, NotNow)
        assert (verdict.due_at, verdict.pause) == (due_at, EVERYTHING)
        assert [reason.text for reason in verdict.reasons] == ["Waits: all sending is paused."]


def test_what_must_not_go_at_all_is_refused_paused_or_not():
    for changes, code in (
        ({"client_erased": True}, "erased"),
        ({"terms": replace(TERMS, expires_at=NOON)}, "expired"),
        ({"on_allow_list": False}, "not_on_allow_list"),
    ):
        verdict = check(replace(FINE, pause=EVERYTHING, **changes), NOON)
        assert isinstance(verdict, Refuse)
        assert verdict.reason.code == code


def test_a_pause_counts_more_than_a_missing_connector():
    verdict = check(replace(FINE, configured=False, pause=EVERYTHING), NOON)
    assert isinstance(verdict, NotNow)
    assert verdict.pause == EVERYTHING


@pytest.mark.parametrize(
    ("scope", "value", "holds"),
    [
        ("everything", "", True),
        ("channel", "email", True),
        ("channel", "sms", False),
        ("plan", "plan-1", True),
        ("plan", "email", False),
        ("message_type", "welcome", True),
        ("message_type", "reminder", False),
    ],
)
def test_what_a_pause_holds(scope, value, holds):
    pause = OpenPause(UUID(int=2), PauseScope(scope), value)
    found = holding([pause], channel=Channel.EMAIL, plan_reference="plan-1", message_type=MessageType.WELCOME)
    assert (found == pause) is holds
    assert REASON_OF[PauseScope(scope)].because(channel="e-mail").text.startswith("Waits: ")


def test_the_widest_pause_is_named():
    pauses = [OpenPause(UUID(int=2), PauseScope.PLAN, "plan-1"), EVERYTHING]
    for order in (pauses, pauses[::-1]):
        assert (
            holding(order, channel=Channel.SMS, plan_reference="plan-1", message_type=MessageType.CUSTOM)
            == EVERYTHING
        )
