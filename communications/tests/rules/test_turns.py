from hypothesis import given
from hypothesis import strategies as st

from communications.rules.turns import in_turns

items = st.lists(st.frozensets(st.integers(0, 5), max_size=3), max_size=30)


def turns_of(touched):
    return in_turns(list(enumerate(touched)), touches=lambda item: item[1])


def test_what_touches_nothing_in_common_goes_at_once():
    assert turns_of([{1}, {2}, {3}]) == [[(0, {1}), (1, {2}), (2, {3})]]


def test_what_touches_the_same_waits_for_its_turn():
    assert turns_of([{1}, {1}, {2}, {1, 2}, {2}]) == [
        [(0, {1}), (2, {2})],
        [(1, {1})],
        [(3, {1, 2})],
        [(4, {2})],
    ]


@given(items)
def test_no_two_of_a_turn_touch_the_same_and_those_that_do_keep_their_order(touched):
    turns = turns_of(touched)
    assert sorted(item for turn in turns for item, _ in turn) == list(range(len(touched)))
    for turn in turns:
        things = [thing for _, own in turn for thing in own]
        assert len(things) == len(set(things))
    place = {item: number for number, turn in enumerate(turns) for item, _ in turn}
    for later in range(len(touched)):
        for earlier in range(later):
            if touched[earlier] & touched[later]:
                assert place[earlier] < place[later]
