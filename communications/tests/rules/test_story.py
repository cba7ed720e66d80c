"""The story of a communication: exact words for what people meet, and words for everything that there is (UI-2)."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from communications.choices import Cause, OutcomeClass, Role, Status
from communications.rules import reasons
from communications.rules.story import (
    StoryAttempt,
    StoryEvent,
    tell,
)
from communications.rules.story.times import Moments, span_words
from communications.tests.rules.stories import (
    DETAILED,
    KOLKATA,
    ROME,
    WINDOW,
    accepted,
    at,
    attempt,
    back,
    claimed,
    facts,
)
from core.choices import Channel


def words(story_facts):
    return " ".join(tell(story_facts).told)


NO_MORE = "Nothing more is planned for this message. A mail server tells us no more than this."
CHOSEN = "We chose e-mail because the message is detailed."
WAITED = "It waited until 09:00 today in Kolkata because of the contact window"
FINAL = "It stays cancelled. Sending it after all makes a new message."


def test_sent():
    story = tell(facts(claimed("09:00:01"), accepted("09:00:05"), attempts=(attempt(1, "09:00:04"),)))
    assert story.told == (
        CHOSEN,
        f"{WAITED}, went out at 09:00:04 and was accepted by the mail server.",
    )
    assert story.next == NO_MORE
    assert story.action == ""


def test_sent_at_once():
    story = facts(
        accepted("12:00:01"),
        reasons=(DETAILED,),
        created_at=at("12:00"),
        planned_at=at("12:00"),
        attempts=(attempt(1, "12:00:00"),),
    )
    assert words(story) == (
        f"{CHOSEN} Nothing held it back: it went out at 12:00:00 today in Kolkata and was accepted by the mail server."
    )


def test_a_critical_one_waits_for_nothing():
    critical = (
        reasons.CRITICAL_ORDER.because(channel="e-mail"),
        reasons.NO_CONTACT_POINT.because(channel="SMS"),
        reasons.CRITICAL_NOW.because(),
    )
    story = facts(accepted("02:00:01"), reasons=critical, created_at=at("02:00"), planned_at=at("02:00"))
    assert words(story) == (
        "We chose e-mail because the message is critical. SMS is left out: no address or number is known. "
        "A critical message waits for no hours: it went out at 02:00:01 today in Kolkata "
        "and was accepted by the mail server."
    )


def test_waiting_tells_the_viewers_time_too():
    story = tell(facts(now=at("08:00"), viewer_zone=ROME))
    assert story.told == (
        CHOSEN,
        "It waits until 09:00 today in Kolkata (04:30 yours) because of the contact window.",
    )
    assert story.next == "It goes out at 09:00. It is worth sending until 07:12 on Tue 10 March."
    assert story.action == ""


def test_due_now():
    story = tell(facts(reasons=(DETAILED,), planned_at=at("07:12"), due_at=at("07:12"), now=at("07:12:01")))
    assert story.told == (CHOSEN,)
    assert story.next == "It goes out within seconds, as soon as a worker is free."


def test_retried_then_sent():
    story = tell(
        facts(
            claimed("09:00:01"),
            back("09:00:04", 1),
            claimed("09:01:03"),
            accepted("09:01:06", 2),
            attempts=(attempt(1, "09:00:03", OutcomeClass.TRANSIENT), attempt(2, "09:01:05")),
        )
    )
    assert story.told[1:] == (
        f"{WAITED}.",
        "The mail server asked us to try later (451 4.3.0) at 09:00:04; we tried again after 1 minute.",
        "It went out at 09:01:05 and was accepted by the mail server.",
    )


def test_two_retries_for_one_reason_are_told_together():
    story = facts(
        back("09:00:04", 1),
        back("09:01:05", 2),
        accepted("09:06:07", 3),
        attempts=(
            attempt(1, "09:00:03", OutcomeClass.TRANSIENT),
            attempt(2, "09:01:04", OutcomeClass.TRANSIENT),
            attempt(3, "09:06:06"),
        ),
    )
    assert (
        "The mail server asked us to try later (451 4.3.0) at 09:00:04 and 09:01:05; "
        "we tried again after 1 minute, then after 5 minutes." in words(story)
    )


def test_a_long_run_of_one_trouble_is_one_sentence():
    held = [
        back(
            f"{9 + minute // 60:02}:{minute % 60:02}:00",
            number,
            Cause.CONFIGURATION,
            "configuration_hold",
            "535",
        )
        for number, minute in enumerate(range(0, 120, 5), start=1)
    ]
    calls = tuple(StoryAttempt(event.attempt, event.at, OutcomeClass.CONFIG) for event in held)
    story = tell(facts(*held, attempts=calls, due_at=at("15:05")))
    assert story.told[-1] == (
        "The mail server did not let us in: our account is not in order (535) 24 times between 09:00:00 and 10:55:00; "
        "each time it was put back."
    )
    assert story.next.startswith("We try again at 15:05")
    assert (
        story.action == "Put our account with the mail server in order; the message then goes out by itself."
    )


def test_a_server_that_could_not_be_reached():
    lost = back("09:00:04", 1, code="ConnectionRefusedError")
    story = facts(lost, attempts=(attempt(1, "09:00:03", OutcomeClass.TRANSIENT),), due_at=at("15:01"))
    assert tell(story).told[-1] == (
        "The mail server could not be reached (nothing answered at its address) at 09:00:04."
    )


@pytest.mark.parametrize(
    ("outcome", "code", "reason", "told", "action"),
    [
        (
            OutcomeClass.RECIPIENT,
            "550 5.1.1",
            "recipient_refused",
            "The mail server said that the e-mail address does not exist (550 5.1.1) at 09:00:04: "
            "there is no such mailbox. There was no other way left to send it.",
            "Correct the e-mail address of Priya Sharma, then try it again.",
        ),
        (
            OutcomeClass.TRANSIENT,
            "451 4.3.0",
            "retries_used_up",
            "The mail server asked us to try later (451 4.3.0) at 09:00:04: the trouble is the mail system. "
            "It was not tried again, because all tries were used up.",
            "Reach Priya Sharma in another way if it cannot wait; else try it again later.",
        ),
        (
            OutcomeClass.CONTENT,
            "554 5.7.1",
            "content_refused",
            "The mail server refused the message itself (554 5.7.1) at 09:00:04: "
            "a security rule or policy stands against it. There was no other way left to send it.",
            "Change the text or its template, then ask for the message again.",
        ),
    ],
)
def test_failed(outcome, code, reason, told, action):
    event = StoryEvent(at("09:00:04"), Status.FAILED, Cause.NO_CHANNEL_LEFT, reason, code, 1)
    story = tell(facts(event, attempts=(attempt(1, "09:00:03", outcome),)))
    assert story.told[-1] == told
    assert (story.next, story.action) == ("It is not tried again by itself.", action)


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (Cause.STAFF_RESEND, "Maria Rossi had it sent again at 10:00:00."),
        (Cause.STAFF_RETRY, "Maria Rossi had it tried again at 10:00:00."),
    ],
)
def test_who_had_it_sent_again_is_named(cause, told):
    story = tell(facts(StoryEvent(at("10:00:00"), Status.SCHEDULED, cause, by="Maria Rossi")))
    assert story.told[-1] == told


def test_doubt_that_goes_to_another_channel():
    event = StoryEvent(at("09:15:04"), Status.SCHEDULED, Cause.NEXT_CHANNEL, "outcome_unknown", attempt=1)
    assert tell(facts(event)).told[-1] == (
        "Nobody could find out whether it arrived, so at 09:15:04 it went on by another channel."
    )


def test_in_doubt():
    event = StoryEvent(
        at("09:01:04"), Status.IN_DOUBT, Cause.OUTCOME_UNKNOWN, "outcome_unknown", "TimeoutError", 1
    )
    story = tell(facts(event, attempts=(attempt(1, "09:00:04", OutcomeClass.AMBIGUOUS),)))
    assert story.told[-1] == (
        "It was handed over at 09:00:04, but the mail server did not confirm it (no answer came in time). "
        "Whether it arrived is not known."
    )
    assert story.next == "It is not sent again by itself, so that Priya Sharma does not get it twice."
    assert story.action == (
        "Ask Priya Sharma whether it arrived, or look into the log of the mail server. "
        "Then send it again, or close its item on Today."
    )


@pytest.mark.parametrize(
    ("event", "told", "action"),
    [
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.CALLER_CANCELLED, by="the program planner"),
            "The program planner cancelled it at 08:00:00.",
            "",
        ),
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.PLAN_CANCELLED),
            "It was cancelled at 08:00:00, because the plan was cancelled.",
            "",
        ),
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.REPLACED),
            "It was cancelled at 08:00:00, because a newer message took its place.",
            "",
        ),
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.ERASED),
            "It was cancelled at 08:00:00, because everything about the client was erased.",
            "",
        ),
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.CANCEL_REQUESTED, "cancel_requested"),
            "It was cancelled in time, at 08:00:00.",
            "",
        ),
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.REFUSED_BY_CHECK, "no_consent"),
            "The check before sending stopped it at 08:00:00 because Priya Sharma opted out of e-mail or never "
            "agreed to it.",
            "",
        ),
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.REFUSED_BY_CHECK, "undeliverable"),
            "The check before sending stopped it at 08:00:00 because the e-mail address of Priya Sharma cannot be "
            "delivered to.",
            "Correct the e-mail address of Priya Sharma, then send it after all.",
        ),
        (
            StoryEvent(at("08:00:00"), Status.CANCELLED, Cause.REFUSED_BY_CHECK, "expired"),
            "The check before sending stopped it at 08:00:00 because it would have been too old to be worth sending.",
            "Send it after all if it still matters.",
        ),
    ],
)
def test_cancelled(event, told, action):
    story = tell(facts(event))
    assert story.told[1:] == (
        "It was planned for 09:00 today in Kolkata because of the contact window.",
        told,
    )
    assert (story.next, story.action) == (FINAL, action)


def test_never_to_be_sent():
    nobody = StoryEvent(at("07:12"), Status.CANCELLED, Cause.NO_OPEN_CHANNEL)
    why = (reasons.NO_OPEN_CHANNEL.because(), reasons.NO_CONTACT_POINT.because(channel="e-mail"))
    story = tell(replace(facts(nobody), events=(nobody,), planned_at=None, reasons=why))
    assert story.told == (
        "It was not sent, because no channel is open for Priya Sharma.",
        "E-mail is left out: no address or number is known.",
    )
    assert (story.next, story.action) == (
        FINAL,
        "Add an e-mail address for Priya Sharma, then send it after all.",
    )


def test_too_late_to_be_sent():
    late = StoryEvent(at("07:12"), Status.CANCELLED, Cause.DEADLINE_UNREACHABLE)
    why = (reasons.CANNOT_MEET_DEADLINE.because(channel="e-mail", until="08:00 Asia/Kolkata"),)
    story = tell(replace(facts(late), events=(late,), planned_at=None, reasons=why))
    assert story.told == (
        "It was not sent, because it could not have gone out in time.",
        "Not sent by e-mail: it cannot go out before 08:00 Asia/Kolkata, as the request asked.",
    )
    assert story.action == "Reach Priya Sharma in another way if it still matters."


def test_replanned():
    moved = StoryEvent(at("08:00:00"), Status.SCHEDULED, Cause.REPLANNED, "quiet_hours")
    story = tell(facts(moved, due_at=at("11:00"), now=at("08:30")))
    assert story.told[1:] == (
        "It was planned for 09:00 today in Kolkata because of the contact window.",
        "At 08:00:00 something about Priya Sharma changed, so its time was planned anew: 11:00 because of Priya "
        "Sharma’s quiet hours.",
    )
    assert story.next.startswith("It goes out at 11:00.")


def test_replanned_and_then_retried_does_not_take_the_retry_for_the_plan():
    moved = StoryEvent(at("08:00:00"), Status.SCHEDULED, Cause.REPLANNED)
    story = facts(
        moved, back("10:00:00", 1), due_at=at("10:05"), attempts=(attempt(1, "09:59:59", "transient"),)
    )
    assert "so its time was planned anew. The mail server" in words(story)


def test_not_now():
    later = StoryEvent(at("21:00:01"), Status.SCHEDULED, Cause.NOT_NOW, "night")
    story = tell(facts(later, due_at=at("09:00", day=4), now=at("22:00")))
    assert story.told[-1] == "At 21:00:01 it could not go out yet because of the night, so it waited on."
    assert story.next.startswith("It goes out at 09:00 on Wed 4 March.")


def test_a_lost_worker_and_one_that_is_lost_in_the_call():
    once = StoryEvent(at("09:02:05"), Status.SCHEDULED, Cause.LEASE_LAPSED_UNCALLED)
    again = StoryEvent(at("09:04:10"), Status.SCHEDULED, Cause.LEASE_LAPSED_UNCALLED)
    called = StoryEvent(at("09:06:15"), Status.IN_DOUBT, Cause.LEASE_LAPSED_CALLED)
    story = facts(claimed("09:00:01"), once, claimed("09:02:06"), again, claimed("09:04:11"), called)
    assert tell(story).told[2:] == (
        "The worker that had taken it stopped before sending it, so it was put back at 09:04:10. "
        "That happened 2 times.",
        "The worker stopped in the middle of sending it, so it is not known whether it arrived.",
    )


def test_workers_that_are_lost_again_and_again():
    event = StoryEvent(at("09:10:00"), Status.FAILED, Cause.LEASE_LAPSED_TOO_OFTEN)
    story = tell(facts(event))
    assert story.told[-1] == "Its workers stopped again and again, so it was given up at 09:10:00."
    assert story.action == (
        "Give the id of this message to whoever runs the system: the log says why its workers stopped."
    )


@pytest.mark.parametrize(
    ("degraded", "told", "action"),
    [
        (
            "template_missing",
            "It has no template of its own yet, so it uses the general one.",
            "Make a template for “Budget options”, so that the next one looks as it should.",
        ),
        (
            "rendering_failed",
            "Its template could not be filled in, so it is plain text.",
            "Mend the template for “Budget options”, so that the next one looks as it should.",
        ),
    ],
)
def test_plainer_than_it_should_be(degraded, told, action):
    story = tell(facts(accepted("09:00:04"), degraded=degraded))
    assert (story.told[-1], story.action) == (told, action)


def test_what_became_of_it_later():
    opened = StoryEvent(at("09:11:30"), Status.OPENED, Cause.TRACKING)
    arrived = StoryEvent(at("09:00:06"), Status.DELIVERED, Cause.RECEIPT)
    assert tell(facts(accepted("09:00:04"), arrived, opened)).told[2:] == (
        "It arrived at 09:00:06.",
        "It was opened at 09:11:30.",
    )


def test_a_companion_says_that_it_is_one():
    story = facts(role=Role.COMPANION, channel=Channel.SMS, reasons=(DETAILED,))
    assert tell(story).told[0] == "This kind of message also goes out by SMS, beside its main channel."


def test_hours_for_sms_are_no_reason_for_an_email():
    hours = reasons.SMS_HOURS.because(until="08:00 Asia/Kolkata")
    assert "SMS goes out" not in words(facts(reasons=(DETAILED, hours, WINDOW)))
    assert "SMS goes out" in words(facts(channel=Channel.SMS, reasons=(hours,)))


def test_without_a_name():
    assert "Ask the client whether" in tell(facts(client_name="", status=Status.IN_DOUBT)).action


def test_times_name_the_day_once_and_the_year_when_it_is_another():
    clock = Moments(zone=KOLKATA, viewer_zone=ROME, now=at("12:00"))
    assert clock.say(at("02:00")) == "02:00 today in Kolkata (21:30 on Mon yours)"
    assert clock.say(at("03:00")) == "03:00"
    assert clock.say(at("03:00", day=9)) == "03:00 on Mon 9 March"
    assert clock.say(datetime(2027, 1, 1, 12, tzinfo=KOLKATA)) == "12:00 on Fri 1 January 2027"
    assert Moments(zone=ZoneInfo("UTC"), viewer_zone=ROME, now=at("12:00")).say(at("12:00")) == (
        "06:30 today UTC (07:30 yours)"
    )


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "1 second"),
        (50, "50 seconds"),
        (55, "1 minute"),
        (272, "5 minutes"),
        (3500, "1 hour"),
        (86_400 * 2, "2 days"),
    ],
)
def test_spans(seconds, told):
    assert span_words(timedelta(seconds=seconds)) == told


@pytest.mark.parametrize(
    ("reason", "because"),
    [
        ("everything_paused", "all sending is paused"),
        ("channel_paused", "e-mail is paused"),
        ("plan_paused", "messages of this plan are paused"),
        ("type_paused", "messages of the kind “Budget options” are paused"),
        ("circuit_open", "the mail server does not answer at the moment"),
        ("circuit_open_configuration", "our account with the mail server is not in order"),
    ],
)
def test_what_waits_for_an_end_that_nobody_can_foretell(reason, because):
    """No time is named: its due time is only when it would be too late."""
    held = StoryEvent(at("09:00:01"), Status.SCHEDULED, Cause.NOT_NOW, reason)
    story = tell(facts(claimed("09:00"), held, due_at=at("07:12", day=10), waits=True))
    assert story.told[-1] == (f"At 09:00:01 it could not go out yet because {because}, so it waited on.")
    assert story.next == (
        "It goes out by itself as soon as that is over. It is worth sending until 07:12 on Tue 10 March."
    )


def test_what_waits_for_its_turn_says_when():
    held = StoryEvent(at("09:00:01"), Status.SCHEDULED, Cause.NOT_NOW, "own_rate_limit")
    story = tell(facts(held, due_at=at("15:01"), now=at("15:00")))
    assert "because we send no faster by e-mail, so it waited on." in story.told[-1]
    assert story.next.startswith("It goes out at 15:01")


def test_a_recipient_who_is_not_on_the_allow_list():
    stopped = StoryEvent(at("09:00:01"), Status.CANCELLED, Cause.REFUSED_BY_CHECK, "not_on_allow_list")
    story = tell(facts(stopped))
    assert "because this installation writes only to the recipients on its allow-list" in story.told[-1]
    assert story.action == (
        "Write to Priya Sharma from the real installation, or put the e-mail address on the allow-list."
    )
