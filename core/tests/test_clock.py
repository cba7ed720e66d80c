from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from core import clock
from core.errors import Conflict, Invalid
from core.models import ClockOffset
from core.tests.races import at_once

HOUR = timedelta(hours=1)


def real() -> datetime:
    return datetime.now(UTC)


def close(first: datetime, second: datetime) -> bool:
    return abs(first - second) < timedelta(seconds=5)


def test_time_is_real_until_it_is_moved(db):
    assert close(clock.now(), real())
    assert clock.now().utcoffset() == timedelta()
    assert clock.offset() == timedelta()


def test_moving_adds_up(db):
    assert close(clock.move_by(HOUR), real() + HOUR)
    clock.move_by(HOUR)
    assert clock.offset() == 2 * HOUR
    assert close(clock.now(), real() + 2 * HOUR)


def test_moving_to_an_instant_reaches_it(db):
    target = real() + timedelta(days=3)
    clock.move_by(HOUR)
    assert close(clock.move_to(target), target)
    assert close(clock.now(), target)


def test_the_clock_never_goes_back(db):
    clock.move_by(HOUR)
    for back in (lambda: clock.move_by(-HOUR), lambda: clock.move_to(real())):
        with pytest.raises(Conflict, match="forward"):
            back()
    assert clock.offset() == HOUR


def test_an_instant_needs_its_zone(db):
    with pytest.raises(Invalid):
        clock.move_to(datetime(2030, 1, 1))  # noqa: DTZ001 - this is what is refused


def test_where_it_is_not_allowed_nothing_is_asked_or_moved(db, settings, django_assert_num_queries):
    clock.move_by(HOUR)
    settings.CRM_ALLOW_DEMO_CLOCK = False
    with django_assert_num_queries(0):
        assert clock.offset() == timedelta()
        assert close(clock.now(), real())
    for move in (lambda: clock.move_by(HOUR), lambda: clock.move_to(real() + 5 * HOUR)):
        with pytest.raises(Conflict, match="CRM_ALLOW_DEMO_CLOCK"):
            move()
    assert ClockOffset.objects.get().offset == HOUR


@pytest.mark.django_db(transaction=True)
def test_moves_at_the_same_moment_all_count():
    at_once(4, lambda: clock.move_by(HOUR))
    assert clock.offset() == 4 * HOUR


def test_there_is_one_row_and_it_is_never_behind(db):
    with pytest.raises(IntegrityError):
        ClockOffset.objects.create(id=2)


def command(*arguments: str) -> datetime:
    out = StringIO()
    call_command("demo_clock", *arguments, stdout=out)
    return datetime.fromisoformat(out.getvalue().strip())


def test_the_command_shows_and_moves(db):
    assert close(command(), real())
    assert close(command("--by", "3600"), real() + HOUR)
    target = real() + timedelta(days=2)
    assert close(command("--to", target.isoformat()), target)
    assert close(command(), target)


def test_a_move_wakes_the_sweeps_and_nothing_rarer(db):
    command()
    assert connection.run_on_commit == []
    command("--by", "3600")
    woken = {entry[1].task_name for entry in connection.run_on_commit}
    assert woken == {
        "communications.dispatch_due",
        "communications.process_receipts",
        "communications.reconcile",
        "communications.release_digests",
        "communications.release_waiting",
        "core.consume_outbox",
        "core.drain_spool",
    }


@pytest.mark.parametrize(
    "arguments",
    [("--to", "tomorrow"), ("--to", "2030-01-01T09:00:00"), ("--to", "2001-01-01T00:00:00Z"), ("--by", "-5")],
)
def test_the_command_refuses_in_a_sentence(db, arguments):
    with pytest.raises(CommandError, match=r"\.$"):
        command(*arguments)
    assert clock.offset() == timedelta()
