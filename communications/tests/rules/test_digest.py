"""What a digest is made of and how its messages read in it (STR-4)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.choices import Urgency
from communications.rules.digest import LARGEST, MemberTerms, digest_items, portions, terms_of_all
from communications.tests.rules.deciding import NOON

SIGNED = "\n\nWrite to your planner: hello@planiva.example\n\n--\nYou get this e-mail because we plan.\n"


@given(st.lists(st.integers(), max_size=60))
def test_merging_loses_no_message_and_repeats_none(messages):
    parts = list(portions(messages))
    assert [each for part in parts for each in part] == messages
    assert all(len(part) == LARGEST for part in parts[:-1])
    assert all(0 < len(part) <= LARGEST for part in parts)


@given(
    st.lists(
        st.tuples(st.sampled_from(Urgency), st.integers(1, 9), st.none() | st.integers(1, 9)), min_size=1
    )
)
def test_a_digest_is_as_urgent_as_one_of_them_and_in_time_for_all(drawn):
    members = [
        MemberTerms(urgency, NOON + timedelta(hours=ends), by and NOON + timedelta(hours=by))
        for urgency, ends, by in drawn
    ]
    terms = terms_of_all(members)
    assert terms.urgency in {member.urgency for member in members}
    assert all(list(Urgency).index(terms.urgency) <= list(Urgency).index(m.urgency) for m in members)
    assert all(terms.expires_at <= member.expires_at for member in members)
    assert all(terms.deliver_by <= member.deliver_by for member in members if member.deliver_by)


def test_greeting_signature_and_what_all_say_are_the_digests_own():
    items = digest_items(
        [
            {
                "subject": "The florist",
                "text": f"Hello Priya,\n\nThe florist called.\n\nAll is well.{SIGNED}",
            },
            {"subject": "The band", "text": f"Hello Priya,\n\nThe band\ncalled too.{SIGNED}"},
        ]
    )
    assert items == [
        {"headline": "The florist", "paragraphs": ["The florist called.", "All is well."]},
        {"headline": "The band", "paragraphs": ["The band\ncalled too."]},
    ]


def test_messages_that_say_the_same_keep_what_they_say():
    content = {"subject": "News", "text": f"Hello Priya,\n\nA task has moved on.{SIGNED}"}
    items = digest_items([content, content])
    assert [item["paragraphs"][0] for item in items] == ["A task has moved on."] * 2


@pytest.mark.parametrize(
    "text", ["Hello Priya,", "The band says hello,\n\nand more.", "--\nOnly a signature", "", "Hello\n\nyou"]
)
def test_any_text_has_a_place(text):
    (item,) = digest_items([{"subject": "S", "text": text}])
    assert item["headline"] == "S"
    assert isinstance(item["paragraphs"], list)


@given(st.lists(st.text(alphabet="ab\n -,", max_size=30), min_size=2, max_size=4))
def test_no_paragraph_of_one_alone_is_lost(texts):
    items = digest_items([{"subject": "S", "text": f"Hello Priya,\n\n{text}"} for text in texts])
    for text, item in zip(texts, items, strict=True):
        body = text.split("\n--")[0]
        if body.strip() and not body.lstrip().startswith("--"):
            assert item["paragraphs"]
