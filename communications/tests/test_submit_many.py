"""Many requests at once: what becomes of each is what would have become of it alone (PERF-3, REL-6)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from clients.models import Client, ContactPoint, Plan
from communications.choices import MessageType, Status, Urgency
from communications.models import Communication, CommunicationRequest, DeliveryEvent, IdempotencyKey
from communications.services.commands import ClientData, Idempotency, Submission, SubmitCommand
from communications.services.submit import Submitted, submit, submit_many
from communications.tests.conftest import NOON_IN_KOLKATA
from communications.tests.factories import a_command, budgets, combinations
from core import pipelines
from core.errors import Conflict, Invalid
from core.models import AttentionItem, AuditEntry, DataKey
from core.tests.races import Call, Gate, at_once, somebody_waits_for_a_lock, wait_until
from preferences.models import ClientPreferences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp", "templates")]


def send(
    commands: Sequence[SubmitCommand], *, keys: Sequence[str | None] = (), now: Any = NOON_IN_KOLKATA
) -> list[Any]:
    keyed = [*keys, *[None] * len(commands)]
    submissions = [
        Submission(command, Idempotency(key, repr(command).encode()) if key else None)
        for command, key in zip(commands, keyed, strict=False)
    ]
    return submit_many(submissions=submissions, caller="service:planner", now=now)


def a_custom(message: str, like: SubmitCommand) -> SubmitCommand:
    return replace(like, message_type=MessageType.CUSTOM, context={**like.context, "message": message})


def test_each_is_stored_whole() -> None:
    outcomes = send([a_command() for _ in range(5)])
    assert [outcome.duplicate for outcome in outcomes] == [False] * 5
    for model in (
        Client,
        Plan,
        ContactPoint,
        ClientPreferences,
        DataKey,
        CommunicationRequest,
        Communication,
    ):
        assert model.objects.count() == 5
    assert DeliveryEvent.objects.count() == 5
    assert AuditEntry.objects.filter(action="communication.requested").count() == 5
    rows = Communication.objects.filter(status=Status.SCHEDULED)
    assert {row.request_id for row in rows} == {outcome.request_id for outcome in outcomes}


def test_one_that_is_refused_spoils_no_other_and_leaves_nothing() -> None:
    good, other = a_command(), a_command()
    stranger = a_command(client_reference="stranger", context={"client_email": None})
    nameless = a_command(client_reference="nameless", context={"client_name": None})
    taken = a_command(client_reference="taken", plan_reference=good.plan_reference)
    outcomes = send([good, stranger, nameless, taken, other])
    assert [type(outcome) for outcome in outcomes] == [Submitted, Invalid, Invalid, Conflict, Submitted]
    assert outcomes[3].code == "plan_of_another_client"
    assert set(Client.objects.values_list("reference", flat=True)) == {
        good.client_reference,
        other.client_reference,
    }
    assert DataKey.objects.count() == 2


def test_repeats_within_a_call_are_found() -> None:
    command = a_command()
    first, second, third = send([command, command, replace(command, urgency=Urgency.LOW)])
    assert [each.duplicate for each in (first, second, third)] == [False, True, True]
    assert len({each.request_id for each in (first, second, third)}) == 1


def test_several_of_one_client_are_taken_in_their_order() -> None:
    """The later name and address win, and the later options replace the earlier ones."""
    command = a_command()
    options = [
        replace(
            command,
            message_type=MessageType.VENDOR_OPTIONS,
            context={**command.context, **combinations(name)},
            client=ClientData(name=name, email=f"{name}@example.com"),
        )
        for name in ("Asha", "Bela", "Chitra")
    ]
    outcomes = send(options)
    rows = [Communication.objects.get(request_id=outcome.request_id) for outcome in outcomes]
    assert [row.status for row in rows] == [Status.CANCELLED, Status.CANCELLED, Status.SCHEDULED]
    assert Client.objects.get().name == "Chitra"
    assert ContactPoint.objects.get(replaced_at__isnull=True).address == "chitra@example.com"
    assert ContactPoint.objects.count() == 3


def test_messages_without_a_stage_are_compared_with_the_one_before() -> None:
    command = a_command()
    say = [a_custom(text, command) for text in ("The florist called.", "The band called.")]
    outcomes = send([say[0], say[0], say[1], say[0]])
    assert [outcome.duplicate for outcome in outcomes] == [False, True, False, False]


def test_keys_of_items_answer_the_same_and_refuse_another_body() -> None:
    command, other = a_command(), a_command()
    outcomes = send([command, command, other], keys=["one", "one", "one"])
    assert [type(outcome) for outcome in outcomes] == [Submitted, Submitted, Invalid]
    assert outcomes[1].request_id == outcomes[0].request_id
    assert outcomes[2].problems[0].code == "idempotency_key_reused"
    (again,) = send([command], keys=["one"], now=NOON_IN_KOLKATA + timedelta(hours=1))
    assert again == Submitted(outcomes[0].request_id, duplicate=True)
    assert IdempotencyKey.objects.count() == 1


def test_those_that_cannot_be_sent_each_leave_an_item() -> None:
    commands = [a_command(context={"client_email": None, "client_phone": "+911234567890"}) for _ in range(3)]
    send(commands)
    assert AttentionItem.objects.filter(kind="not_sent").count() == 3


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda command: a_command(), id="new clients"),
        pytest.param(lambda command: a_custom("Hello.", command), id="known clients"),
        pytest.param(lambda command: command, id="repeats"),
        pytest.param(
            lambda command: replace(
                command,
                message_type=MessageType.BUDGET_SUMMARY,
                context={
                    **command.context,
                    **budgets(250_000),
                    "event_date": "2036-01-01",
                    "client_name": "Priya Rao",
                },
                client=ClientData(email=f"new.{command.client_reference}@example.com", timezone="Asia/Tokyo"),
            ),
            id="everything changes",
        ),
    ],
)
def test_the_number_of_statements_does_not_depend_on_that_of_the_requests(
    again: Callable[[SubmitCommand], SubmitCommand],
) -> None:
    """PERF-2, PERF-3"""
    send([again(a_command())])  # template versions are read once and kept
    counts = []
    for size in (1, 30, 300):
        commands = [a_command() for _ in range(size)]
        send(commands)
        with CaptureQueriesContext(connection) as queries:
            outcomes = send([again(command) for command in commands])
        assert all(isinstance(outcome, Submitted) for outcome in outcomes)
        counts.append(len(queries))
    assert len(set(counts)) == 1
    assert counts[0] <= 31


def test_a_request_for_somebody_new_waits_for_the_database_twice_before_it_commits(monkeypatch) -> None:
    """PERF-2: once to look, once to write; nothing is asked of the history of those who have none."""
    waits = []
    together = pipelines._execute
    monkeypatch.setattr(pipelines, "_execute", lambda queries: waits.append(1) or together(queries))
    send([a_command()])  # what each process keeps
    waits.clear()
    with CaptureQueriesContext(connection) as queries:
        send([a_command()])
    alone = [query["sql"] for query in queries if query["sql"].split()[0] not in {"INSERT", "SELECT"}]
    assert len(waits) == 2
    assert all(sql.split()[0] in {"SAVEPOINT", "RELEASE"} for sql in alone)


def test_a_thousand_take_as_many_statements_as_one() -> None:
    send([a_command()])
    counts = []
    for size in (1, 1_000):
        commands = [a_command() for _ in range(size)]
        with CaptureQueriesContext(connection) as queries:
            send(commands)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Communication.objects.count() == 1_002


@pytest.mark.django_db(transaction=True)
def test_equal_calls_at_the_same_instant_make_each_request_once(templates: None) -> None:
    """REL-6: new clients, in opposite orders; and single requests beside them."""
    commands = [a_command() for _ in range(8)]
    turn = iter([commands, commands[::-1], commands, commands[::-1], commands[:1], commands[-1:]])
    results = at_once(6, lambda: send(next(turn)))
    outcomes = [outcome for result in results for outcome in result]
    assert all(isinstance(outcome, Submitted) for outcome in outcomes)
    assert sorted(outcome.duplicate for outcome in outcomes) == [False] * 8 + [True] * (len(outcomes) - 8)
    assert (Client.objects.count(), Plan.objects.count(), Communication.objects.count()) == (8, 8, 8)


@pytest.mark.django_db(transaction=True)
def test_whoever_loses_a_new_client_to_somebody_else_takes_theirs(templates: None) -> None:
    """The client appears between the look and the write; the others of the call are stored all the same."""
    shared, other = a_command(), a_command()
    stored, leave = Gate(), Gate()

    def first() -> Submitted:
        with transaction.atomic():
            submitted = submit(command=shared, caller="service:planner", now=NOON_IN_KOLKATA)
            stored.open()
            leave.wait()
            return submitted

    earlier = Call(first)
    stored.wait()
    later = Call(lambda: send([shared, other]))
    wait_until(somebody_waits_for_a_lock)
    leave.open()
    winner, outcomes = earlier.finish(), later.finish()
    assert outcomes[0] == Submitted(winner.request_id, duplicate=True)
    assert not outcomes[1].duplicate
    assert Client.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_plan_is_taken_by_one_of_two_clients_at_the_same_instant(templates: None) -> None:
    commands = [a_command(plan_reference="shared") for _ in range(4)]
    turn = iter(commands)
    results = at_once(4, lambda: send([next(turn), a_command()]))
    assert sorted(type(result[0]).__name__ for result in results) == ["Conflict"] * 3 + ["Submitted"]
    assert all(isinstance(result[1], Submitted) for result in results)
    assert Plan.objects.filter(reference="shared").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_caller_that_is_cut_off_frees_its_key_and_stores_nothing(templates: None) -> None:
    """REL-6"""
    command = a_command()
    at_work, leave = Gate(), Gate()

    def cut_off() -> int:
        with transaction.atomic():
            send([command], keys=["one"])
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self_pid: int = cursor.fetchone()[0]
            pids.append(self_pid)
            at_work.open()
            leave.wait()
        return self_pid

    pids: list[int] = []
    call = Call(cut_off)
    at_work.wait()
    (busy,) = send([command], keys=["one"])
    assert (type(busy), busy.code) == (Conflict, "idempotency_key_in_use")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", pids)
    (outcome,) = send([command], keys=["one"])
    assert not outcome.duplicate
    leave.open()
    with pytest.raises(Exception, match=r"terminat|closed"):
        call.finish()
    assert Communication.objects.count() == 1
