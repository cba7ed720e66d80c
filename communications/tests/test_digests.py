"""Digests: held, brought together, sent once, taken apart where one may not go (STR-4; engine.md §Batching)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import Client, ContactPoint
from communications.choices import Cause, MessageType, PauseScope, Status, Urgency
from communications.models import Communication
from communications.rules.actions import Action
from communications.selectors.digests import digest_states
from communications.services.actions import act
from communications.services.commands import SubmitCommand
from communications.services.digests import release_digests
from communications.services.dispatch import dispatch_due
from communications.services.dissolving import free_members
from communications.services.pauses import pause
from communications.services.queue import give_back
from communications.services.submit import submit
from communications.tests.factories import a_command, lead_to
from communications.tests.steps import claimed_and_checked, fence, story
from core import clock
from core.errors import Conflict
from core.models import AttentionItem
from core.tests.races import at_once
from sandbox.testing import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]

EVENING = datetime.fromisoformat("2030-11-20T20:00:00+05:30")
SLOT = datetime.fromisoformat("2030-11-21T10:00:00+05:30")
SOON = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def evening(smtp: Sandbox) -> None:
    clock.move_to(EVENING)


def news(text: str, like: SubmitCommand | None = None, **changes: Any) -> SubmitCommand:
    """A message of low urgency; `like` another one: to the same client about the same plan."""
    values: dict[str, Any] = {"message_type": MessageType.CUSTOM, "urgency": Urgency.LOW}
    context: dict[str, Any] = {"subject": f"About the {text}", "message": f"The {text} is chosen."}
    if like is not None:
        values |= {"client_reference": like.client_reference, "plan_reference": like.plan_reference}
        context = {**like.context, **context}
    return a_command(**(values | {"context": context} | changes))


def accepted(*commands: SubmitCommand) -> list[Communication]:
    now = clock.now()
    ids = [submit(command=each, caller="service:planner", now=now).request_id for each in commands]
    return [Communication.objects.get(request_id=request_id) for request_id in ids]


def held(*texts: str) -> list[Communication]:
    """Messages of one client that are held for the next morning."""
    first = news(texts[0])
    return accepted(first, *(news(text, first) for text in texts[1:]))


def released(at: datetime = SLOT + SOON) -> int:
    clock.move_to(at)
    return release_digests(now=clock.now())


def fresh(rows: Sequence[Communication]) -> list[Communication]:
    return [Communication.objects.get(id=row.id) for row in rows]


def statuses(rows: Sequence[Communication]) -> list[str]:
    return [row.status for row in fresh(rows)]


def the_digest() -> Communication:
    return Communication.objects.exclude(status=Status.CANCELLED).get(message_type=MessageType.DIGEST)


def test_what_can_wait_is_held_for_the_slot_and_told_so() -> None:
    rows = held("flowers", "band")
    assert statuses(rows) == [Status.HELD] * 2
    assert {row.due_at for row in rows} == {SLOT}
    assert {row.batch_key for row in rows} == {"email:service:2030-11-21"}
    assert story(rows[0]) == [Cause.DIGEST_HELD]
    assert rows[0].request.strategy["batch_key"] == rows[0].batch_key
    assert dispatch_due() == 0
    assert released(SLOT - SOON) == 0


def test_they_go_out_in_one_mail_that_loses_none_and_repeats_none(smtp: Sandbox) -> None:
    rows = held("flowers", "band", "cake")
    assert released() == 3
    assert statuses(rows) == [Status.MERGED] * 3
    digest = the_digest()
    assert {row.digest_id for row in fresh(rows)} == {digest.id}
    assert story(rows[0]) == [Cause.DIGEST_HELD, Cause.DIGEST_MADE]
    assert dispatch_due() == 1
    assert release_digests(now=clock.now()) == 0
    (mail,) = smtp.messages()
    message = mail.parsed()
    assert message["Subject"] == "3 updates about your wedding"
    for kind in ("plain", "html"):
        body = message.get_body((kind,)).get_content()
        for thing in ("flowers", "band", "cake"):
            assert body.count(f"The {thing} is chosen.") == 1
            assert body.count(f"About the {thing}") == (
                1 if kind == "plain" else 2
            )  # the preheader names them
        assert body.count("Hello Priya Sharma,") == 1
    digest.refresh_from_db()
    assert digest.status == Status.SENT
    # Nothing is mirrored: the members show it.
    assert statuses(rows) == [Status.MERGED] * 3
    assert digest_states(fresh(rows))[digest.id].status is Status.SENT
    assert not digest.metadata


def test_a_digest_of_one_is_sent_as_itself(smtp: Sandbox) -> None:
    rows = held("flowers")
    released()
    assert dispatch_due() == 1
    assert statuses(rows) == [Status.SENT]
    assert story(rows[0])[:2] == [Cause.DIGEST_HELD, Cause.DIGEST_OF_ONE]
    assert smtp.messages()[0].parsed()["Subject"] == "About the flowers"


def test_ten_at_most(smtp: Sandbox) -> None:
    rows = held(*(f"thing {number}." for number in range(21)))
    assert released() == 21
    sizes = sorted(digest.members.count() for digest in Communication.objects.filter(message_type="digest"))
    assert sizes == [10, 10]
    assert sorted(set(statuses(rows))) == [Status.MERGED, Status.SCHEDULED]
    assert dispatch_due() == 3
    texts = "".join(mail.parsed().get_body(("plain",)).get_content() for mail in smtp.messages())
    assert all(texts.count(f"The thing {number}. is chosen.") == 1 for number in range(21))


def test_clients_are_kept_apart_and_released_in_a_fixed_number_of_statements() -> None:
    counts = []
    for size, day in ((2, 0), (12, 1)):
        for _ in range(size):
            held("flowers", "band")
        clock.move_to(SLOT + timedelta(days=day) + SOON)
        with CaptureQueriesContext(connection) as queries:
            assert release_digests(now=clock.now()) == 2 * size
        counts.append(len(queries))
        clock.move_to(SLOT + timedelta(days=day, hours=10))
    assert counts[1] <= counts[0]
    digests = list(Communication.objects.filter(message_type="digest"))
    assert len(digests) == 14
    for digest in digests:
        assert set(digest.members.values_list("client_id", flat=True)) == {digest.client_id}


def test_releasing_at_the_same_time_makes_each_digest_once(smtp: Sandbox) -> None:
    groups = [held("flowers", "band") for _ in range(6)]
    clock.move_to(SLOT + SOON)
    now = clock.now()
    at_once(4, lambda: release_digests(now=now))
    release_digests(now=now)
    assert Communication.objects.filter(message_type="digest").count() == 6
    dispatch_due()
    texts = [mail.parsed().get_body(("plain",)).get_content() for mail in smtp.messages()]
    assert len(texts) == len(groups)
    assert all(text.count("is chosen.") == 2 for text in texts)


def test_its_failure_is_shown_on_its_members_and_copied_nowhere(smtp: Sandbox) -> None:
    rows = held("flowers", "band")
    released()
    smtp.behave("refuse", code=550, text="5.1.1 unknown", stage="rcpt")
    dispatch_due()
    digest = the_digest()
    assert digest.status == Status.FAILED
    assert statuses(rows) == [Status.MERGED] * 2
    assert digest_states(fresh(rows))[digest.id].status is Status.FAILED
    assert AttentionItem.objects.filter(kind="delivery_failed", dedupe_key=str(digest.id)).exists()


def test_its_doubt_is_shown_on_its_members(smtp: Sandbox) -> None:
    rows = held("flowers", "band")
    released()
    smtp.behave("drop_after_data")
    dispatch_due()
    assert digest_states(fresh(rows))[the_digest().id].status is Status.IN_DOUBT


def test_a_member_that_may_not_go_takes_the_digest_apart(smtp: Sandbox) -> None:
    """A plan that is paused after the digest was made: its message waits, the others go."""
    rows = held("flowers", "band", "cake")
    (other,) = accepted(
        news("hall", a_command(client_reference=rows[0].client.reference), plan_reference="another-plan")
    )
    assert released() == 4
    pause(scope=PauseScope.PLAN, value="another-plan", reason="", actor="staff:1", now=clock.now())
    assert dispatch_due() == 1
    assert smtp.messages() == []
    assert statuses([*rows, other]) == [Status.HELD] * 4
    first = Communication.objects.get(message_type="digest")
    assert (first.status, first.events.latest("id").reason) == (Status.CANCELLED, "digest_changed")
    assert story(other)[-1] == Cause.DIGEST_DISSOLVED
    assert release_digests(now=clock.now()) == 4
    assert statuses([*rows, other]) == [Status.MERGED] * 3 + [Status.HELD]
    (kept,) = fresh([other])
    assert kept.due_at > clock.now()
    assert kept.events.latest("id").reason == "plan_paused"
    assert dispatch_due() == 1
    (mail,) = smtp.messages()
    assert "The hall is chosen." not in mail.parsed().get_body(("plain",)).get_content()


def test_what_may_never_go_is_cancelled_when_its_time_comes() -> None:
    rows = held("flowers", "band")
    ContactPoint.objects.update(undeliverable_at=clock.now())
    assert released() == 2
    assert statuses(rows) == [Status.CANCELLED] * 2
    assert rows[0].events.latest("id").reason == "undeliverable"
    assert AttentionItem.objects.filter(kind="not_sent").count() == 2
    assert not Communication.objects.filter(message_type="digest").exists()


def test_what_is_too_old_by_then_does_not_go() -> None:
    rows = held("flowers", "band")
    released(SLOT + timedelta(days=9))
    assert statuses(rows) == [Status.CANCELLED] * 2
    assert rows[0].events.latest("id").reason == "expired"


def test_a_slot_that_was_missed_waits_for_the_next_window() -> None:
    rows = held("flowers", "band")
    assert released(SLOT + timedelta(hours=12)) == 2
    assert statuses(rows) == [Status.HELD] * 2
    assert {row.due_at for row in fresh(rows)} == {SLOT + timedelta(days=1)}


def test_one_that_is_cancelled_is_taken_out_before_the_fence(smtp: Sandbox) -> None:
    """It is cancelled after its digest was checked: the fence does not let the digest through."""
    rows = held("flowers", "band", "cake")
    released()
    claim, cleared = claimed_and_checked()
    act(action=Action.CANCEL, communication_id=rows[1].id, actor="staff:1", now=clock.now())
    assert fence(claim, cleared) == {}
    assert statuses(rows) == [Status.MERGED, Status.CANCELLED, Status.MERGED]
    give_back(lease_token=claim.lease_token, ids=claim.ids)
    dispatch_due()
    release_digests(now=clock.now())
    dispatch_due()
    (mail,) = smtp.messages()
    text = mail.parsed().get_body(("plain",)).get_content()
    assert ("flowers" in text, "band" in text, "cake" in text) == (True, False, True)


def test_who_cancels_a_digest_cancels_what_is_in_it() -> None:
    rows = held("flowers", "band")
    released()
    act(action=Action.CANCEL, communication_id=the_digest().id, actor="staff:1", now=clock.now())
    assert statuses(rows) == [Status.CANCELLED] * 2
    assert free_members(now=clock.now()) == 0


def test_a_digest_that_is_stopped_while_it_is_sent_takes_its_messages_with_it() -> None:
    rows = held("flowers", "band")
    released()
    claim, cleared = claimed_and_checked()
    digest = the_digest()
    act(action=Action.CANCEL, communication_id=digest.id, actor="staff:1", now=clock.now())
    assert fence(claim, cleared) == {}
    lead_to(digest, Status.CANCELLED)
    release_digests(now=clock.now())
    assert statuses(rows) == [Status.CANCELLED] * 2


@pytest.mark.parametrize("action", list(Action))
def test_what_went_out_in_a_digest_is_not_taken_back(action: Action, smtp: Sandbox) -> None:
    rows = held("flowers", "band")
    released()
    dispatch_due()
    with pytest.raises(Conflict) as refused:
        act(action=action, communication_id=rows[0].id, actor="staff:1", now=clock.now())
    assert refused.value.code == "in_digest"


def test_an_erased_clients_messages_are_not_brought_together() -> None:
    rows = held("flowers", "band")
    Client.objects.update(erased_at=clock.now())
    released()
    assert statuses(rows) == [Status.CANCELLED] * 2
    assert rows[0].events.latest("id").reason == "erased"


def test_high_and_critical_ones_are_never_held() -> None:
    first = news("flowers", urgency=Urgency.HIGH)
    rows = accepted(first, news("band", first, urgency=Urgency.CRITICAL), news("cake", first))
    assert statuses(rows) == [Status.SCHEDULED, Status.SCHEDULED, Status.HELD]


def test_what_is_left_of_a_digest_that_was_cancelled_elsewhere_is_given_back() -> None:
    rows = held("flowers", "band")
    released()
    lead_to(the_digest(), Status.CANCELLED)
    assert free_members(now=clock.now()) == 1
    assert statuses(rows) == [Status.HELD] * 2
    assert release_digests(now=clock.now()) == 2
    assert statuses(rows) == [Status.MERGED] * 2


def test_a_cap_counts_a_digest_once() -> None:
    rows = held(*(f"thing {number}." for number in range(6)))
    assert {row.due_at for row in rows} == {SLOT}
    released()
    dispatch_due()
    first = news("x")
    (late, later, last) = accepted(
        *(
            news(
                text,
                first,
                client_reference=rows[0].client.reference,
                plan_reference=rows[0].plan.reference,
                urgency=Urgency.NORMAL,
            )
            for text in ("sofa", "lamp", "rug")
        )
    )
    assert [row.due_at.date() for row in (late, later)] == [SLOT.date()] * 2
    assert last.due_at.astimezone(SLOT.tzinfo).date() == SLOT.date() + timedelta(days=1)
