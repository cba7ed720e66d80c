"""Two providers of SMS: the second one carries what the first surely did not take, and nothing else (MSG-4, REL-2)."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from communications.choices import Cause, MessageType, OutcomeClass, Status, Urgency
from communications.gateway import connectors_for
from communications.models import Communication
from communications.rules.providers import choose_provider
from communications.services import sending_limits
from communications.services.dispatch import dispatch_due
from communications.tests.factories import a_communication
from communications.tests.steps import due_again, story
from communications.tests.test_messaging import PRIYA, twilio  # noqa: F401 - a fixture
from core import clock
from core.choices import Channel
from sandbox.credentials import TELNYX_API_KEY, TELNYX_PHONE_NUMBER
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


@pytest.fixture
def both(twilio: Sandbox, settings: Settings) -> Iterator[Sandbox]:  # noqa: F811 - pytest's way
    settings.TELNYX_API_KEY = TELNYX_API_KEY
    settings.TELNYX_PHONE_NUMBER = TELNYX_PHONE_NUMBER
    settings.TELNYX_API_BASE_URL = twilio.urls["telnyx"]
    twilio.behave_as("telnyx", "accept")
    yield twilio
    twilio.behave_as("telnyx", "accept")


def an_alert(urgency: Urgency = Urgency.CRITICAL) -> Communication:
    """By SMS alone, so that e-mail is left as its fallback."""
    return a_communication(
        message_type=MessageType.CUSTOM,
        preferred_channel=Channel.SMS,
        urgency=urgency,
        context={"client_phone": PRIYA, "message": "The florist needs your answer."},
    )


def providers(row: Communication) -> list[str]:
    return list(row.attempts.order_by("number").values_list("provider", flat=True))


def test_the_first_choice_carries_while_all_is_well(both: Sandbox) -> None:
    row = an_alert()
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, providers(row)) == (Status.SENT, ["twilio"])
    assert both.texts("telnyx") == []


def test_a_retry_goes_to_the_provider_that_refused_least_often(both: Sandbox) -> None:
    both.behave_as("twilio", "unreachable")
    row = an_alert()
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.retry_count) == (Status.SCHEDULED, 1)
    due_again(row)
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.channel, providers(row)) == (Status.SENT, "sms", ["twilio", "telnyx"])
    assert both.messages() == []


def test_an_account_that_is_not_in_order_hands_over_at_once(both: Sandbox) -> None:
    both.behave_as("twilio", "error", code=20003)
    row = an_alert()
    dispatch_due()
    dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.channel, providers(row)) == (Status.SENT, "sms", ["twilio", "telnyx"])
    assert row.events.filter(cause=Cause.CONFIGURATION, reason="other_provider").exists()
    assert both.messages() == []


def test_with_both_out_of_order_it_goes_by_email(both: Sandbox) -> None:
    both.behave_as("twilio", "error", code=20003)
    both.behave_as("telnyx", "error", code=401)
    row = an_alert()
    for _ in range(3):
        dispatch_due()
    row.refresh_from_db()
    assert (row.status, row.channel, providers(row)) == (Status.SENT, "email", ["twilio", "telnyx", "smtp"])
    assert Cause.NEXT_CHANNEL in story(row)


@pytest.mark.parametrize("code", [502, 20500])
def test_what_may_have_arrived_is_never_given_to_another(both: Sandbox, code: int) -> None:
    both.behave_as("twilio", "error", code=code)
    row = an_alert()
    for _ in range(2):
        dispatch_due()
    row.refresh_from_db()
    assert (row.status, providers(row)) == (Status.IN_DOUBT, ["twilio"])
    assert both.texts("telnyx") == []


@pytest.mark.parametrize("code", [21614, 21610, 30007])
def test_what_is_about_recipient_or_text_holds_for_all_providers(both: Sandbox, code: int) -> None:
    both.behave_as("twilio", "error", code=code, receipt=False)
    row = an_alert()
    for _ in range(2):
        dispatch_due()
    row.refresh_from_db()
    assert (row.channel, providers(row)) == ("email", ["twilio", "smtp"])


def test_around_an_open_circuit_for_what_is_critical_and_not_for_the_rest(both: Sandbox) -> None:
    first = connectors_for(Channel.SMS)[0]
    sending_limits.report(first, [OutcomeClass.TRANSIENT] * 5, now=clock.now())
    urgent, other = an_alert(), an_alert(Urgency.HIGH)
    dispatch_due()
    urgent.refresh_from_db()
    other.refresh_from_db()
    assert (urgent.status, urgent.channel, providers(urgent)) == (Status.SENT, "sms", ["telnyx"])
    assert (other.status, providers(other)) == (Status.SCHEDULED, [])


def test_a_half_open_circuit_is_tried_by_one_message(both: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    first = connectors_for(Channel.SMS)[0]
    sending_limits.report(first, [OutcomeClass.TRANSIENT] * 5, now=clock.now())
    sending_limits.report(first, [], now=clock.now())  # it may be tried again at once
    rows = [an_alert() for _ in range(3)]
    dispatch_due()
    used = sorted(name for row in rows for name in providers(row))
    assert used == ["telnyx", "telnyx", "twilio"]


NAMES = ["a", "b", "c"]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5)),
    st.sets(st.sampled_from(NAMES)),
)
def test_the_choice_is_always_one_that_refused_least(refused: dict[str, int], closed: set[str]) -> None:
    chosen = choose_provider(NAMES, refused=refused, closed=closed)
    allowed = [name for name in NAMES if name not in closed] or NAMES
    assert chosen in allowed
    assert refused.get(chosen, 0) == min(refused.get(name, 0) for name in allowed)
