"""Cancel, resend and retry: what they do, what they refuse, and who presses at the same moment (MSG-12, REL-6)."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from clients.models import Client, ContactPoint, Plan
from communications.choices import AttentionKind, Cause, MessageType, OutcomeClass, Role, Status
from communications.models import Communication, CommunicationRequest
from communications.rules.actions import Action, Way
from communications.services import outcomes
from communications.services.actions import Acted, act, possible
from communications.services.commands import ClientData
from communications.services.dispatch import dispatch_due
from communications.services.queue import release_lapsed
from communications.services.submit import submit
from communications.tests.factories import a_command, a_communication, in_status, lead_to
from communications.tests.steps import a_fenced_call, claimed_and_checked, fence, lapse, story
from core import attention, clock
from core.errors import Conflict, NotFound
from core.models import AttentionItem, AuditEntry
from core.sealing import destroy_key
from core.tests.races import Call, at_once, somebody_waits_for_a_lock, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("smtp", "templates")]

MARIA = "staff:7"


def do(action, row, *, actor=MARIA, now=None) -> Acted:
    return act(action=action, communication_id=row.id, actor=actor, now=now or clock.now())


def refused(action, row, **more) -> str:
    """The code of the refusal, which changed nothing."""
    before = (Communication.objects.count(), AuditEntry.objects.count(), story(row))
    with pytest.raises(Conflict) as caught:
        do(action, row, **more)
    assert (Communication.objects.count(), AuditEntry.objects.count(), story(row)) == before
    return caught.value.code


def status_of(row) -> str:
    row.refresh_from_db()
    return row.status


def audited(row) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(target=f"communication:{row.id}").order_by("id")
    return list(entries.values_list("actor", "action"))


def failed(**changes) -> Communication:
    row = a_communication(**changes)
    lead_to(row, Status.FAILED)
    return row


# Cancel


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.HELD, Status.MERGED])
def test_what_waits_is_cancelled_at_once(status, smtp):
    row = in_status(status)
    acted = do(Action.CANCEL, row)
    assert (acted.way, acted.row.status) == (Way.CANCEL, Status.CANCELLED)
    assert story(row)[-1] == Cause.CALLER_CANCELLED
    assert row.events.last().actor == MARIA
    assert audited(row) == [(MARIA, "communication.cancelled")]
    dispatch_due()
    assert smtp.messages() == []


def test_cancelling_twice_is_the_same_as_once():
    row = a_communication()
    do(Action.CANCEL, row)
    assert do(Action.CANCEL, row).way is Way.NOTHING
    assert audited(row) == [(MARIA, "communication.cancelled")]


def test_what_a_worker_has_claimed_is_cancelled_at_once(smtp):
    row = a_communication()
    claim, cleared = claimed_and_checked()
    acted = do(Action.CANCEL, row)
    assert (acted.way, acted.row.status) == (Way.CANCEL, Status.CANCELLED)
    assert audited(row) == [(MARIA, "communication.cancelled")]
    assert fence(claim, cleared) == {}
    assert do(Action.CANCEL, row).way is Way.NOTHING


def test_what_is_being_sent_is_asked_to_stop(smtp):
    row, _ = a_fenced_call()
    acted = do(Action.CANCEL, row)
    assert (acted.way, acted.row.status, acted.row.cancel_requested) == (
        Way.ASK_TO_CANCEL,
        Status.SENDING,
        True,
    )
    assert audited(row) == [(MARIA, "communication.cancel_requested")]
    assert do(Action.CANCEL, row).way is Way.NOTHING


def test_a_cancellation_that_comes_while_the_fence_waits_is_obeyed():
    """The fence waits for the row, and sees what became of it once that is committed."""
    row = a_communication()
    claim, cleared = claimed_and_checked()
    with transaction.atomic():
        do(Action.CANCEL, row)
        passing = Call(lambda: fence(claim, cleared))
        wait_until(somebody_waits_for_a_lock)
    assert passing.finish() == {}


def test_doubt_that_was_asked_to_be_cancelled_never_goes_back_to_the_queue():
    row, line = a_fenced_call()
    lapse(row)
    release_lapsed(actor="worker:b", now=clock.now())
    assert do(Action.CANCEL, row).way is Way.ASK_TO_CANCEL
    assert status_of(row) == Status.IN_DOUBT
    not_arrived = replace(line, outcome_class=OutcomeClass.TRANSIENT, code="451")
    outcomes.record(ended=[outcomes.Ended(not_arrived)], actor="worker:b", now=clock.now())
    assert (status_of(row), story(row)[-1]) == (Status.CANCELLED, Cause.CANCEL_REQUESTED)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.SENT, "already_sent"),
        (Status.OPENED, "already_sent"),
        (Status.FAILED, "already_failed"),
    ],
)
def test_what_is_over_cannot_be_cancelled(status, code):
    assert refused(Action.CANCEL, in_status(status)) == code


def test_what_was_cancelled_does_not_hold_the_business_key():
    command = a_command(message_type=MessageType.WELCOME)
    first = submit(command=command, caller="service:test", now=clock.now())
    do(Action.CANCEL, Communication.objects.get(request_id=first.request_id))
    again = submit(command=command, caller="service:test", now=clock.now())
    assert not again.duplicate
    assert submit(command=command, caller="service:test", now=clock.now()).request_id == again.request_id


# Retry


def test_a_failed_one_is_tried_again_with_all_its_tries(smtp):
    row = failed()
    later = clock.now() + timedelta(hours=1)
    Communication.objects.filter(id=row.id).update(retry_count=3, put_back_count=2, due_at=later)
    attention.raise_item(
        kind=AttentionKind.DELIVERY_FAILED, dedupe_key=str(row.id), target="x:1", details={}, now=clock.now()
    )
    acted = do(Action.RETRY, row)
    assert (acted.way, acted.row.status, acted.row.failed_at) == (Way.SEND_AGAIN, Status.SCHEDULED, None)
    assert (acted.row.retry_count, acted.row.put_back_count, acted.row.queue_entry.lapses) == (0, 0, 0)
    assert story(row)[-1] == Cause.STAFF_RETRY
    assert audited(row) == [(MARIA, "communication.retried")]
    assert AttentionItem.objects.get().resolved_by == attention.SETTLED_ITSELF
    dispatch_due()
    assert status_of(row) == Status.SENT
    assert len(smtp.messages()) == 1


def undeliverable(row):
    ContactPoint.objects.filter(client_id=row.client_id).update(undeliverable_at=clock.now())


def erase(row):
    destroy_key(row.client.data_key_id, now=clock.now())


@pytest.mark.parametrize(
    ("happened", "code"),
    [
        pytest.param(undeliverable, "undeliverable", id="the address is dead"),
        pytest.param(erase, "erased", id="the client was erased"),
        pytest.param(
            lambda row: Plan.objects.filter(id=row.plan_id).update(cancelled_at=clock.now()),
            "plan_cancelled",
            id="the plan was cancelled",
        ),
        pytest.param(
            lambda row: ContactPoint.objects.filter(client_id=row.client_id).update(replaced_at=clock.now()),
            "no_contact_point",
            id="no address is left",
        ),
    ],
)
@pytest.mark.parametrize(
    ("action", "status"), [(Action.RETRY, Status.FAILED), (Action.RESEND, Status.IN_DOUBT)]
)
def test_what_would_be_stopped_by_the_check_is_refused(action, status, happened, code):
    row = in_status(status)
    happened(row)
    assert refused(action, row) == code


def test_what_is_too_old_is_not_tried_again_but_may_be_sent_anew():
    row = failed()
    Communication.objects.filter(id=row.id).update(expires_at=clock.now() - timedelta(minutes=1))
    assert refused(Action.RETRY, row) == "expired"
    anew = do(Action.RESEND, row).row
    assert anew.expires_at > clock.now() + timedelta(days=1)


def test_one_that_a_newer_request_repeats_is_refused_and_says_so():
    command = a_command(
        message_type=MessageType.CUSTOM, context={"subject": "Tasting", "message": "At noon."}
    )
    old = Communication.objects.get(
        request_id=submit(command=command, caller="service:test", now=clock.now()).request_id
    )
    lead_to(old, Status.FAILED)
    newer = submit(command=command, caller="service:test", now=clock.now())
    assert not newer.duplicate
    for action in (Action.RETRY, Action.RESEND):
        assert refused(action, old) == "newer_request"
    assert Action.RETRY not in possible(row=old, now=clock.now())


def failed_of(command) -> Communication:
    submitted = submit(command=command, caller="service:test", now=clock.now())
    row = Communication.objects.get(request_id=submitted.request_id)
    lead_to(row, Status.FAILED)
    return row


def test_what_was_replaced_in_its_stage_is_not_said_any_more():
    command = a_command(dedup_key="a")
    old = failed_of(command)
    newer = submit(command=replace(command, dedup_key="b"), caller="service:test", now=clock.now())
    assert not newer.duplicate
    for action in (Action.RETRY, Action.RESEND):
        assert refused(action, old) == "replaced"


def test_a_question_that_the_plan_has_behind_it_is_not_asked_again():
    row = failed()
    for model in (CommunicationRequest, Communication):
        model.objects.filter(id__in=[row.id, row.request_id]).update(message_type=MessageType.VENDOR_OPTIONS)
    Plan.objects.filter(id=row.plan_id).update(stage=3)
    assert Action.RETRY in possible(row=row, now=clock.now())
    Plan.objects.filter(id=row.plan_id).update(stage=4)
    for action in (Action.RETRY, Action.RESEND):
        assert refused(action, row) == "question_closed"


def test_a_retried_one_holds_its_key_again():
    """A newer request of the kind with another content had taken it."""
    first = a_command(message_type=MessageType.REMINDER, context={"subject": "a", "message": "Choose."})
    row = Communication.objects.get(
        request_id=submit(command=first, caller="service:test", now=clock.now()).request_id
    )
    lead_to(row, Status.FAILED)
    other = a_command(
        message_type=MessageType.REMINDER,
        plan_reference=first.plan_reference,
        client_reference=first.client_reference,
        context={"subject": "b", "message": "Pay."},
    )
    submitted = submit(command=other, caller="service:test", now=clock.now())
    assert not CommunicationRequest.objects.get(id=row.request_id).holds_key
    do(Action.CANCEL, Communication.objects.get(request_id=submitted.request_id))
    do(Action.RETRY, row)
    again = submit(command=first, caller="service:test", now=clock.now())
    assert (again.duplicate, again.request_id) == (True, row.request_id)


def on_the_channel_of(row):
    sibling = Communication.objects.get(id=row.id)
    sibling.id, sibling._state.adding = uuid4(), True
    sibling.status, sibling.role = Status.SCHEDULED, Role.COMPANION
    sibling.due_at = clock.now()
    sibling.save(force_insert=True)


def test_a_sibling_on_the_channel_stands_in_the_way():
    row = failed()
    on_the_channel_of(row)
    assert row.request.communications.count() == 2
    assert refused(Action.RETRY, row) == "channel_taken"


def test_a_retry_waits_for_a_sibling_that_is_taking_the_channel():
    """The choice of a fallback locks the request: whoever comes second is told, and nothing breaks."""
    row = failed()
    with transaction.atomic():
        CommunicationRequest.objects.select_for_update(no_key=True).get(id=row.request_id)
        retrying = Call(lambda: do(Action.RETRY, row))
        wait_until(somebody_waits_for_a_lock)
        on_the_channel_of(row)
    with pytest.raises(Conflict) as conflict:
        retrying.finish()
    assert conflict.value.code == "channel_taken"


# Resend


def test_one_in_doubt_goes_back_and_a_wish_to_cancel_is_taken_back(smtp):
    row = in_status(Status.IN_DOUBT)
    Communication.objects.filter(id=row.id).update(cancel_requested=True)
    acted = do(Action.RESEND, row, actor="service:planner")
    assert (acted.way, acted.row.id, acted.row.status) == (Way.SEND_AGAIN, row.id, Status.SCHEDULED)
    assert story(row)[-1] == Cause.STAFF_RESEND
    assert audited(row) == [("service:planner", "communication.resent")]
    dispatch_due()
    assert status_of(row) == Status.SENT


@pytest.mark.parametrize("status", [Status.SENT, Status.RESPONDED, Status.FAILED, Status.CANCELLED])
def test_what_is_over_is_sent_anew_with_the_same_content(status, smtp):
    row = in_status(status)
    acted = do(Action.RESEND, row)
    anew = acted.row
    assert (acted.way, anew.resent_from_id, anew.status) == (Way.SEND_ANEW, row.id, Status.SCHEDULED)
    assert anew.request_id != row.request_id
    assert (anew.content, anew.request.context) == (row.content, row.request.context)
    assert anew.request.created_by == MARIA
    assert story(anew) == [Cause.STAFF_RESEND]
    assert anew.request.strategy["reasons"][0]["code"] == "sent_again"
    assert audited(anew) == [(MARIA, "communication.resent")]
    assert AuditEntry.objects.get(action="communication.resent").details["origin"] == str(row.id)
    assert status_of(row) == status
    dispatch_due()
    assert status_of(anew) == Status.SENT
    assert len(smtp.messages()) == 1


def test_one_that_waits_cannot_be_sent_again():
    assert refused(Action.RESEND, a_communication()) == "not_sent_yet"
    assert refused(Action.RESEND, in_status(Status.SENDING)) == "being_sent"


def test_it_is_sent_anew_once_and_then_from_the_newer_one():
    row = in_status(Status.SENT)
    anew = do(Action.RESEND, row).row
    assert refused(Action.RESEND, row) == "already_resent"
    lead_to(anew, Status.SENT)
    assert do(Action.RESEND, anew).row.resent_from_id == anew.id


@pytest.mark.parametrize("status", [Status.SENT, Status.CANCELLED])
def test_a_repeat_by_the_planner_finds_what_was_resent(status):
    """The key stays with what was sent; of what never went out, the new request holds it."""
    command = a_command()
    first = submit(command=command, caller="service:test", now=clock.now())
    row = Communication.objects.get(request_id=first.request_id)
    lead_to(row, status)
    anew = do(Action.RESEND, row).row
    again = submit(command=command, caller="service:test", now=clock.now())
    assert again.duplicate
    assert again.request_id == (row.request_id if status is Status.SENT else anew.request_id)


def test_a_failed_resend_is_tried_again_although_the_first_one_holds_the_key():
    row = in_status(Status.SENT)
    anew = do(Action.RESEND, row).row
    lead_to(anew, Status.FAILED)
    assert do(Action.RETRY, anew).row.status == Status.SCHEDULED
    assert CommunicationRequest.objects.get(id=row.request_id).holds_key


def test_what_is_sent_anew_waits_for_the_hours_of_today():
    night = clock.now().replace(year=2027, month=3, day=2, hour=20, minute=30)
    row = in_status(Status.CANCELLED)
    Communication.objects.filter(id=row.id).update(urgency="normal", priority=5)
    anew = do(Action.RESEND, row, now=night).row
    assert anew.due_at > night + timedelta(hours=6)
    assert [each["code"] for each in anew.request.strategy["reasons"]] == ["sent_again", "contact_window"]


def test_its_item_on_today_is_settled_when_it_is_sent_after_all():
    row = in_status(Status.CANCELLED)
    attention.raise_item(
        kind=AttentionKind.NOT_SENT, dedupe_key=str(row.id), target="x:1", details={}, now=clock.now()
    )
    do(Action.RESEND, row)
    assert AttentionItem.objects.get().resolved_at is not None


def test_times_are_written_anew_when_the_client_has_moved():
    row = in_status(Status.CANCELLED)
    a_communication(
        client_reference=row.client.reference,
        plan_reference=row.plan.reference,
        message_type=MessageType.CUSTOM,
        context={"subject": "Hello", "message": "Hello."},
        client=ClientData(timezone="Europe/Rome"),
    )
    anew = do(Action.RESEND, row).row
    assert anew.content != row.content


# Several at once, real connections


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (Action.RETRY, Status.FAILED),
        (Action.RESEND, Status.IN_DOUBT),
        (Action.RESEND, Status.SENT),
        (Action.RESEND, Status.CANCELLED),
    ],
)
def test_people_who_press_at_once_send_it_once(action, status, smtp):
    row = in_status(status)

    def press():
        try:
            return do(action, row).way
        except Conflict as conflict:
            return conflict.code

    answers = at_once(4, press)
    assert sum(isinstance(answer, Way) for answer in answers) == 1
    dispatch_due()
    assert len(smtp.messages()) == 1


def test_cancelling_at_once_is_audited_once():
    row = a_communication()
    ways = at_once(4, lambda: do(Action.CANCEL, row).way)
    assert sorted(ways) == [Way.CANCEL, Way.NOTHING, Way.NOTHING, Way.NOTHING]
    assert len(audited(row)) == 1


def test_a_retry_and_a_new_request_at_the_same_moment_do_not_both_go_out(smtp):
    """The client's row lock puts them in order: either the retry is first and the request a duplicate of it, or the
    request is first and the retry is refused."""
    command = a_command()
    row = Communication.objects.get(
        request_id=submit(command=command, caller="service:test", now=clock.now()).request_id
    )
    lead_to(row, Status.FAILED)

    def ask():
        return submit(command=command, caller="service:test", now=clock.now())

    def retry():
        try:
            return do(Action.RETRY, row)
        except Conflict as conflict:
            return conflict.code

    with transaction.atomic():
        Client.objects.select_for_update().get(id=row.client_id)
        calls = [Call(ask), Call(retry)]
        wait_until(somebody_waits_for_a_lock)
    submitted, retried = (call.finish() for call in calls)
    assert submitted.duplicate == isinstance(retried, Acted)
    dispatch_due()
    assert len(smtp.messages()) == 1


def test_one_that_does_not_exist():
    row = a_communication()
    row.id = row.client_id
    for action in Action:
        with pytest.raises(NotFound):
            do(action, row)


def test_what_is_offered_is_what_works():
    """Every action is refused or carried out exactly as the page says."""
    for status in Status:
        for action in Action:
            row = in_status(status)
            offered = possible(row=row, now=clock.now()).get(action)
            try:
                way = do(action, row).way
            except Conflict:
                way = None
            assert offered == (None if way is Way.NOTHING else way), (status, action)
