"""Links of clients: signed, apart from SECRET_KEY, good while their key is in the list (engine.md §Consent)."""

import pytest

from core.link_tokens import LinkRefused, make_link_token, read_link_token

OLD, NEW = "an-old-secret-for-links-of-forty-letters-", "a-new-secret-for-links-of-forty-letters-"


@pytest.fixture(autouse=True)
def keys(settings):
    settings.LINK_SIGNING_KEYS = [OLD]


def test_a_token_opens_to_what_it_was_made_of():
    token = make_link_token("unsubscribe", b"payload")
    assert read_link_token("unsubscribe", token) == b"payload"


def test_a_new_key_in_front_signs_and_the_old_one_still_opens(settings):
    before = make_link_token("unsubscribe", b"payload")
    settings.LINK_SIGNING_KEYS = [NEW, OLD]
    after = make_link_token("unsubscribe", b"payload")
    assert after != before
    assert read_link_token("unsubscribe", before) == read_link_token("unsubscribe", after) == b"payload"
    settings.LINK_SIGNING_KEYS = [NEW]
    with pytest.raises(LinkRefused):
        read_link_token("unsubscribe", before)


def test_sessions_may_end_links_do_not(settings):
    token = make_link_token("unsubscribe", b"payload")
    settings.SECRET_KEY = "another-secret-key"
    assert read_link_token("unsubscribe", token) == b"payload"


def test_a_link_for_one_thing_opens_no_other():
    with pytest.raises(LinkRefused):
        read_link_token("preferences", make_link_token("unsubscribe", b"payload"))


def test_no_character_can_be_changed_added_or_left_out():
    token = make_link_token("unsubscribe", bytes(range(33)))
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    for wrong in (*changed, token[:-1], token + "A", token + "=", token + "!", " " + token):
        with pytest.raises(LinkRefused):
            read_link_token("unsubscribe", wrong)


@pytest.mark.parametrize("token", ["", "A", "AAAA", "é", "a" * 10_000, "%00", "\0", "A" * 22])
def test_rubbish_is_refused(token):
    with pytest.raises(LinkRefused):
        read_link_token("unsubscribe", token)
