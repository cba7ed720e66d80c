"""Readings of answers (MSG-9): what must be understood, and what must never be taken for an answer."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.rules import reply_words
from communications.rules.reply_parser import (
    ACTS_FROM,
    Asked,
    Question,
    ReplyKind,
    read_button,
    read_reply,
)

THREE = Question(
    Asked.SELECTION, ("Garden Palace", "Lake Resort", "City Loft 10"), ("select:1", "select:2", "select:3")
)
ONE = Question(Asked.SELECTION, ("Garden Palace",))
CONFIRM = Question(Asked.YES_NO, payloads=("yes", "no"))
EVERY_QUESTION = [None, THREE, ONE, CONFIRM]


@pytest.mark.parametrize("question", EVERY_QUESTION)
@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", "Stop.", "Stop. Thank you", "  sToP!!! ", "STOPALL", "stop all", "StopAll please",
        "pls stop texting me", "Please stop texting me.", "stop messaging me", "STOP SENDING ME MESSAGES",
        "please stop sending these messages", "Don't text me again", "do not contact me", "don’t message us anymore",
        "unsubscribe", "Unsubscribe me please", "UNSUBSCRIBE.", "cancel", "CANCEL!", "end", "quit", "Quit, thanks",
        "revoke", "optout", "opt out", "opt-out", "OPT OUT PLEASE", "I want to opt out", "please opt me out",
        "remove me from your list", "take me off this list", "no more texts please", "no more messages",
        "leave me alone", "stop stop stop", "stop now", "hi, please stop", "I would like to unsubscribe",
        "please stop calling me", "Don't send me any more messages", "ＳＴＯＰ", "“Stop”", "stop 🙏",
        "Could you please stop texting me?", "I said yes to option 2. Now stop texting me!",
    ],
)  # fmt: skip
def test_who_wants_to_hear_no_more_is_understood(text: str, question: Question | None) -> None:
    reading = read_reply(text, question=question)
    assert (reading.kind, reading.acts) == (ReplyKind.OPT_OUT, True)


@pytest.mark.parametrize(
    "text",
    [
        "I can't stop smiling, yes to option 1", "don't stop", "please don't stop texting me", "never stop!",
        "the bus stop is far", "we stop by on Monday", "non-stop party", "weekend", "cancel the flowers",
        "can we cancel the DJ?", "the end of May", "this is the end of our search", "quite nice", "I quit my job",
        "stopover in Doha", "unstoppable", "Let's not stop here", "bookend", "revoked licence?",
        "can you send me more messages",
    ],
)  # fmt: skip
@pytest.mark.parametrize("question", EVERY_QUESTION)
def test_who_only_uses_such_a_word_stays(text: str, question: Question | None) -> None:
    assert read_reply(text, question=question).kind is not ReplyKind.OPT_OUT


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("2", 2), ("2.", 2), (" 2 ", 2), ("#2", 2), ("(2)", 2), ("2!", 2), ("２", 2), ("②", 2), ("2️⃣", 2), ("٢", 2),
        ("two", 2), ("Two please", 2), ("Option 2", 2), ("option two", 2), ("OPTION 2!!", 2), ("option #2", 2),
        ("Option B", 2), ("option no. 3? no, option 3", None), ("second", 2), ("the second", 2), ("the second one", 2),
        ("2nd one", 2), ("the 2nd option", 2), ("the last one", 3), ("first option please", 1),
        ("I know, option 2 looks good", 2), ("I can't stop smiling, yes to option 1", 1), ("book the second one", 2),
        ("We'll take 3", 3), ("I choose 2", 2), ("let's go with 1", 1), ("ok 2", 2), ("yes 2", 2), ("2 yes", 2),
        ("2 thanks", 2), ("Hi team, we would like option 3 please. Thanks!", 3), ("I prefer option 1", 1),
        ("Garden Palace", 1), ("garden palace please", 1), ("We love the Lake Resort!", 2), ("city loft 10", 3),
        ("the Lake Resort it is", 2), ("My mother loved option 2", 2), ("one", 1), ("1 please", 1),
        ("option 2\n\nOn Mon, 3 Mar 2026 at 10:00, Planiva wrote:\n> Option 1\n> Option 3", 2),
        ("> option 1\noption 3", 3), ("2 👍🏽", 2), ("👍 option 2", 2), ("option 2 2", 2), ("Option 2, Lake Resort", 2),
    ],
)  # fmt: skip
def test_a_choice_is_understood(text: str, option: int | None) -> None:
    reading = read_reply(text, question=THREE)
    if option is None:
        assert not reading.acts
    else:
        assert (reading.kind, reading.option, reading.acts) == (ReplyKind.SELECTION, option, True)


@pytest.mark.parametrize(
    "text",
    [
        "option 10", "10", "option 0", "0", "option 4", "the fourth one", "option 99", "1 or 2", "option 1 or option 2",
        "1 and 3", "between 1 and 2", "Garden Palace or Lake Resort", "not option 2", "anything but option 1",
        "option 2?", "2?", "is option 2 still free?", "can we have option 2?", "option 2 but without the flowers",
        "option 1 unless it rains", "maybe option 2", "option 1, not 2", "2 guests more", "we are 2", "call me at 2",
        "at 2 pm", "in 2 days", "we have 3 children", "2 of us are vegetarian", "I need 3 more days", "two questions",
        "yes", "ok", "no problem", "which one is cheaper?", "the red one", "first of all, thank you",
        "my mother saw option 2 and has some questions about the parking there and the food",
        "option 2 is too expensive",
        "how about option 3", "tokyo venue?", "yesterday", "not now", "", "   ", "🎉", "...", "?", "a", "option",
        "what is option 2", "I don't like option 1", "option 2 or maybe 3", "20", "2026", "12/3", "+919812345678",
        "Garden", "none", "neither of them",
    ],
)  # fmt: skip
def test_what_chooses_nothing_for_sure_changes_nothing(text: str) -> None:
    reading = read_reply(text, question=THREE)
    assert not (reading.kind in {ReplyKind.SELECTION, ReplyKind.YES} and reading.acts), reading


@pytest.mark.parametrize(
    "text",
    [
        "yes", "Yes!", "YES PLEASE", "y", "yeah", "yep", "ok", "OK.", "okay", "sure", "Sure, thanks", "confirmed",
        "I confirm", "perfect", "sounds good", "Looks good to us", "go ahead", "Yes, go ahead please", "of course",
        "absolutely", "👍", "👍🏽", "✅", "yes yes yes", "agreed, thank you", "Yes that works for us", "that's fine",
    ],
)  # fmt: skip
def test_a_yes_is_understood(text: str) -> None:
    reading = read_reply(text, question=CONFIRM)
    assert (reading.kind, reading.acts) == (ReplyKind.YES, True)


@pytest.mark.parametrize(
    "text",
    ["no", "No.", "no thanks", "No, thank you", "nope", "nah", "n", "not interested", "👎", "no no", "none", "neither",
     "we decline", "not for us, thanks", "no way"],
)  # fmt: skip
@pytest.mark.parametrize("question", [CONFIRM, THREE])
def test_a_no_is_understood(text: str, question: Question) -> None:
    reading = read_reply(text, question=question)
    assert (reading.kind, reading.acts) == (ReplyKind.NO, True)


@pytest.mark.parametrize(
    "text",
    [
        "tokyo venue?", "book the second one", "yesterday", "not now", "I know", "notebook", "okra", "yesenia",
        "broken", "surely not", "not ok", "not sure", "no problem", "no idea", "maybe", "yes and no", "yes but later",
        "yes, but not on Sunday", "yes?", "ok?", "no?", "is that a yes?", "let me think", "no worries",
        "let me ask my husband",
        "I will confirm tomorrow after I have spoken with my parents about it", "2", "", "hmm", "canoe",
        "nobody", "know",
        "look", "smoke", "unsure", "Yes if the price stays", "who says yes to that", "later",
    ],
)  # fmt: skip
def test_what_is_neither_yes_nor_no_changes_nothing(text: str) -> None:
    assert not read_reply(text, question=CONFIRM).acts


def test_a_yes_to_the_only_option_chooses_it_and_to_several_does_not() -> None:
    assert read_reply("yes please", question=ONE).option == 1
    assert read_reply("yes please", question=ONE).acts
    assert not read_reply("yes please", question=THREE).acts


@pytest.mark.parametrize("text", ["START", "start", "Unstop", "start please"])
def test_start_opens_again(text: str) -> None:
    assert read_reply(text).kind is ReplyKind.START


def test_yes_means_start_only_to_who_had_stopped() -> None:
    assert read_reply("YES", opted_out=True).kind is ReplyKind.START
    assert read_reply("YES", question=CONFIRM).kind is ReplyKind.YES
    assert not read_reply("YES").acts


@pytest.mark.parametrize(
    ("text", "kind"),
    [("HELP", ReplyKind.HELP), ("help!", ReplyKind.HELP), ("info", ReplyKind.HELP), ("Info please", ReplyKind.HELP),
     ("help me choose", ReplyKind.OTHER), ("more info on option 2?", ReplyKind.SELECTION)],
)  # fmt: skip
def test_help(text: str, kind: ReplyKind) -> None:
    assert read_reply(text, question=THREE).kind is kind


@pytest.mark.parametrize("text", ["2", "yes", "Garden Palace", "option 1"])
def test_without_an_open_question_nothing_is_answered(text: str) -> None:
    reading = read_reply(text)
    assert (reading.kind, reading.why) == (ReplyKind.OTHER, "no_open_question")


def test_the_reason_is_named() -> None:
    assert read_reply("option 10", question=THREE).why == "no_such_option"
    assert read_reply("1 or 2", question=THREE).why == "several_options"
    assert read_reply("option 2?", question=THREE).why == "question"
    assert read_reply("option 2 but cheaper", question=THREE).why == "condition"


@pytest.mark.parametrize(
    ("question", "payload", "kind", "option"),
    [
        (THREE, "select:2", ReplyKind.SELECTION, 2),
        (CONFIRM, "yes", ReplyKind.YES, None),
        (CONFIRM, "no", ReplyKind.NO, None),
        (THREE, "select:4", ReplyKind.OTHER, None),
        (CONFIRM, "select:1", ReplyKind.OTHER, None),
        (None, "select:1", ReplyKind.OTHER, None),
    ],
)
def test_buttons(question: Question | None, payload: str, kind: ReplyKind, option: int | None) -> None:
    reading = read_button(payload, question=question)
    assert (reading.kind, reading.option, reading.acts) == (kind, option, kind is not ReplyKind.OTHER)


TEXT = st.text(max_size=200) | st.lists(
    st.sampled_from(
        [*reply_words.YES, *reply_words.NO, *reply_words.STOP, *reply_words.OPTION_WORDS, *reply_words.REVERSING,
         *map(str, range(13)), "?", "Garden Palace", "\n", ">", "'"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip


@given(TEXT, st.sampled_from(EVERY_QUESTION), st.booleans())
def test_any_text_has_one_reading(text: str, question: Question | None, opted_out: bool) -> None:
    reading = read_reply(text, question=question, opted_out=opted_out)
    assert 0 <= reading.confidence <= 1
    assert reading.acts == (reading.kind is not ReplyKind.OTHER and reading.confidence >= ACTS_FROM)
    assert bool(reading.why) == (not reading.acts)
    if reading.option is not None and reading.acts:
        assert question is not None
        assert 1 <= reading.option <= len(question.options)


@given(st.integers(0, 999), st.sampled_from(["{}", "option {}", "#{}", "Option {} please", "we take {}"]))
def test_numbers_choose_what_exists_and_nothing_else(number: int, form: str) -> None:
    reading = read_reply(form.format(number), question=THREE)
    assert reading.acts == (1 <= number <= 3)


@given(st.sampled_from(sorted(reply_words.STOP)), st.data())
def test_stop_words_in_any_case_and_punctuation(word: str, data: st.DataObject) -> None:
    cased = "".join(data.draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in word)
    around = st.text(st.sampled_from(" .,!?\"'-*()\n"), max_size=4)
    assert read_reply(data.draw(around) + cased + data.draw(around)).kind is ReplyKind.OPT_OUT


@given(
    st.sampled_from(
        sorted(word for word in reply_words.YES | reply_words.NO | reply_words.STOP if word.isalpha())
    ),
    st.text(string.ascii_lowercase, min_size=3, max_size=8),
    st.text(string.ascii_lowercase, min_size=3, max_size=8),
)
def test_a_word_inside_another_is_no_word(word: str, before: str, after: str) -> None:
    for question in (CONFIRM, THREE):
        assert not read_reply(before + word + after, question=question).acts


@given(st.sampled_from(["2", "option 2", "Lake Resort", "yes to option 2", "we take 2"]))
def test_a_question_mark_makes_any_choice_a_question(text: str) -> None:
    assert read_reply(text, question=THREE).acts
    assert not read_reply(f"{text}?", question=THREE).acts
