"""What decisions are told of a client's messages: cap, frequency, engagement, best hour (STR-1, STR-4, STR-5)."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from clients.models import Plan
from communications.choices import MessageType, Role, Status, Urgency
from communications.models import Communication
from communications.selectors.activity import activity_of
from communications.services.commands import Submission, SubmitCommand
from communications.services.preview import preview_strategy
from communications.services.submit import submit, submit_many
from communications.tests.conftest import NOON_IN_KOLKATA
from communications.tests.factories import a_command, combinations, lead_to
from core.choices import Channel
from core.tests.races import at_once
from preferences.choices import Frequency
from preferences.models import ClientPreferences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp", "templates")]

HOUR = timedelta(hours=1)
TODAY = date(2026, 3, 3)


def news(like: SubmitCommand, text: str, **changes: Any) -> SubmitCommand:
    """Another message to the same client about the same plan."""
    values = {
        "client_reference": like.client_reference,
        "plan_reference": like.plan_reference,
        "message_type": MessageType.CUSTOM,
        "urgency": Urgency.NORMAL,
        "context": {**like.context, "message": text},
    }
    return a_command(**(values | changes))


def accepted(command: SubmitCommand, now: datetime = NOON_IN_KOLKATA) -> Communication:
    submitted = submit(command=command, caller="service:planner", now=now)
    return Communication.objects.select_related("request").get(request_id=submitted.request_id)


def reasons_of(row: Communication) -> list[str]:
    return [reason["code"] for reason in row.request.strategy["reasons"]]


def local_day(row: Communication) -> date:
    assert row.due_at is not None
    return (row.due_at + timedelta(hours=5, minutes=30)).date()


@pytest.fixture
def known() -> SubmitCommand:
    """A client in Kolkata who got one capped message today."""
    command = a_command(message_type=MessageType.CUSTOM, urgency=Urgency.NORMAL, context={"message": "One."})
    accepted(command)
    return command


def test_the_fourth_of_a_day_goes_out_on_the_next_and_says_why(known: SubmitCommand) -> None:
    rows = [accepted(news(known, text)) for text in ("Two.", "Three.", "Four.", "Five.")]
    assert [local_day(row) - TODAY for row in rows] == [timedelta(days=n) for n in (0, 0, 1, 1)]
    assert ["frequency_cap" in reasons_of(row) for row in rows] == [False, False, True, True]
    assert rows[2].due_at == datetime.fromisoformat("2026-03-04T09:00:00+05:30")
    assert rows[2].status == Status.SCHEDULED


def test_the_preview_counts_alike(known: SubmitCommand) -> None:
    for text in ("Two.", "Three."):
        accepted(news(known, text))
    previewed = preview_strategy(command=news(known, "Four."), now=NOON_IN_KOLKATA).strategy
    row = accepted(news(known, "Four."))
    assert row.request.strategy == previewed.as_json()
    assert "frequency_cap" in reasons_of(row)


@pytest.mark.parametrize(
    ("setting", "held"), [("1", [True, True]), ("2", [False, True]), ("", [False, False])]
)
def test_the_setting_is_the_cap_and_empty_is_none(
    known: SubmitCommand, settings: Settings, setting: str, held: list[bool]
) -> None:
    settings.CRM_DAILY_CAP = setting
    assert ["frequency_cap" in reasons_of(accepted(news(known, text))) for text in ("Two.", "Three.")] == held


def cancelled(row: Communication) -> None:
    lead_to(row, Status.CANCELLED)


def a_companion(row: Communication) -> None:
    Communication.objects.filter(id=row.id).update(role=Role.COMPANION)


def sent_yesterday(row: Communication) -> None:
    Communication.objects.filter(id=row.id).update(sent_at=NOON_IN_KOLKATA - 24 * HOUR)


def not_capped(row: Communication) -> None:
    Communication.objects.filter(id=row.id).update(message_type=MessageType.SELECTION_CONFIRMATION)


@pytest.mark.parametrize("spare", [cancelled, a_companion, sent_yesterday, not_capped])
def test_what_does_not_count(known: SubmitCommand, settings: Settings, spare: Any) -> None:
    settings.CRM_DAILY_CAP = "1"
    spare(Communication.objects.get())
    assert "frequency_cap" not in reasons_of(accepted(news(known, "Two.")))


@pytest.mark.parametrize("status", [Status.SENT, Status.IN_DOUBT, Status.SENDING, Status.OPENED])
def test_what_has_gone_or_may_have_counts(known: SubmitCommand, settings: Settings, status: Status) -> None:
    settings.CRM_DAILY_CAP = "1"
    row = Communication.objects.get()
    lead_to(row, status)
    Communication.objects.filter(id=row.id, sent_at__isnull=False).update(sent_at=NOON_IN_KOLKATA)
    Communication.objects.filter(id=row.id, delivered_at__isnull=False).update(delivered_at=NOON_IN_KOLKATA)
    assert "frequency_cap" in reasons_of(accepted(news(known, "Two.")))


def test_what_is_replaced_makes_room_for_what_replaces_it(known: SubmitCommand, settings: Settings) -> None:
    settings.CRM_DAILY_CAP = "2"
    options = {"message_type": MessageType.VENDOR_OPTIONS, "urgency": Urgency.HIGH}
    night = datetime.fromisoformat("2026-03-03T23:00:00+05:30")
    rows = [
        accepted(
            news(
                known,
                "",
                context={**known.context, **combinations(n)},
                **options,
            ),
            night,
        )
        for n in ("a", "b", "c")
    ]
    assert {row.due_at for row in rows} == {datetime.fromisoformat("2026-03-04T08:00:00+05:30")}


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_instant_do_not_both_take_the_last_place(settings: Settings) -> None:
    settings.CRM_DAILY_CAP = "2"
    first = a_command(message_type=MessageType.CUSTOM, urgency=Urgency.NORMAL, context={"message": "One."})
    accepted(first)
    texts = iter(["Two.", "Three.", "Four.", "Five."])
    commands = [news(first, text) for text in texts]
    turn = iter(commands)
    rows = at_once(4, lambda: accepted(next(turn)))
    days = sorted((local_day(row) - TODAY).days for row in rows)
    assert days == [0, 1, 1, 2]


def test_a_client_who_wants_less_gets_it_in_the_slot(known: SubmitCommand) -> None:
    ClientPreferences.objects.update(frequency=Frequency.WEEKLY)
    row = accepted(news(known, "", message_type=MessageType.TASK_UPDATE))
    assert "client_frequency" in reasons_of(row)
    assert row.due_at == datetime.fromisoformat("2026-03-09T10:00:00+05:30")


def delivered(like: SubmitCommand, *, days_ago: float, reacted_after: timedelta | None) -> Communication:
    """A message with a tracked link that arrived then."""
    at = NOON_IN_KOLKATA - timedelta(days=days_ago)
    row = accepted(news(like, f"{days_ago} days ago."), at)
    lead_to(row, Status.DELIVERED)
    Communication.objects.filter(id=row.id).update(
        sent_at=at,
        delivered_at=at,
        shows_engagement=True,
        clicked_at=at + reacted_after if reacted_after is not None else None,
    )
    return row


def test_the_best_hour_is_that_of_the_clients_reactions(known: SubmitCommand) -> None:
    """Five clicks at 17:30 in Kolkata."""
    for days in range(5, 10):
        delivered(known, days_ago=days, reacted_after=5.5 * HOUR)
    row = accepted(news(known, "", message_type=MessageType.TASK_UPDATE, urgency=Urgency.LOW))
    assert row.due_at == datetime.fromisoformat("2026-03-03T17:00:00+05:30")
    assert "best_hour" in reasons_of(row)


def activity(client_id: UUID) -> Any:
    return activity_of([client_id], now=NOON_IN_KOLKATA)[client_id]


def test_engagement_is_what_the_tables_hold(known: SubmitCommand) -> None:
    ignored = delivered(known, days_ago=9, reacted_after=None)
    reacted = delivered(known, days_ago=5, reacted_after=HOUR)
    found = {each.arrived_at: each for each in activity(ignored.client_id).delivered}
    assert len(found) == 2
    assert {each.channel for each in found.values()} == {Channel.EMAIL}
    assert found[NOON_IN_KOLKATA - timedelta(days=9)].reacted_at is None
    assert found[NOON_IN_KOLKATA - timedelta(days=5)].reacted_at == reacted.created_at + HOUR
    assert all(each.could_show for each in found.values())


def test_a_question_shows_engagement_until_the_plan_has_gone_on() -> None:
    """That nobody answered by e-mail tells nothing once the planner told of the answer."""
    command = a_command(message_type=MessageType.VENDOR_OPTIONS)
    row = accepted(command, NOON_IN_KOLKATA - timedelta(days=5))
    assert row.shows_engagement
    lead_to(row, Status.SENT)
    (asked,) = activity(row.client_id).delivered
    assert asked.could_show
    Plan.objects.update(stage=4)
    (asked,) = activity(row.client_id).delivered
    assert not asked.could_show


def test_a_fixed_number_of_statements_for_a_batch(known: SubmitCommand) -> None:
    """PERF-3: two more for clients who are known, none for new ones."""
    counts = []
    for size in (1, 40):
        commands = [a_command() for _ in range(size)]
        submit_many(
            submissions=[Submission(c) for c in commands], caller="service:planner", now=NOON_IN_KOLKATA
        )
        again = [Submission(news(command, "Hello.")) for command in commands]
        with CaptureQueriesContext(connection) as queries:
            submit_many(submissions=again, caller="service:planner", now=NOON_IN_KOLKATA)
        counts.append(len(queries))
        assert sum("opened_at, c.clicked_at" in query["sql"] for query in queries) == 1
        with CaptureQueriesContext(connection) as queries:
            submit_many(
                submissions=[Submission(a_command()) for _ in range(size)],
                caller="service:planner",
                now=NOON_IN_KOLKATA,
            )
        assert not any("opened_at, c.clicked_at" in query["sql"] for query in queries)
    assert counts[0] == counts[1]
