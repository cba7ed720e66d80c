from collections import Counter

from bench.faults.schedule import KILLS, PAUSES, Amounts, Fault, schedule


def test_a_schedule_has_what_the_proof_asks_for() -> None:
    """At least 20 kills, 5 pauses, 3 stops of each server, spread over the whole run."""
    moments = list(schedule(1, Amounts()))
    counted = Counter(moment.fault for moment in moments)

    assert sum(counted[fault] for fault in KILLS) >= 20
    assert sum(counted[fault] for fault in PAUSES) >= 5
    assert min(counted[Fault.STOP_DATABASE], counted[Fault.STOP_BROKER]) >= 3
    assert [moment.share for moment in moments] == sorted(moment.share for moment in moments)
    assert moments[0].share < 0.1
    assert 0.9 < moments[-1].share < 1


def test_a_seed_repeats_its_schedule() -> None:
    assert list(schedule(7, Amounts())) == list(schedule(7, Amounts()))
    assert list(schedule(7, Amounts())) != list(schedule(8, Amounts()))
