"""What a client's answer means, and how sure that is (engine.md §Replies; MSG-9). Pure.

In order: words that stop, start or ask for help; an answer to the open question; everything else is for people. Words
are compared whole: "tokyo" holds no "ok", "yesterday" no "yes", "know" no "no". English only; what is not understood is
never guessed: below `ACTS_FROM` nothing changes and a person reads the message.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from communications.rules import reply_words as words

ACTS_FROM: Final = 0.8
_SURE: Final = 0.95
_CLEAR: Final = 0.85
_UNSURE: Final = 0.5
_PRONOUN_BEFORE_ONE: Final = frozenset(
    ["the", "this", "that", "which", "any", "each", "no", "another", "last"]
)
_LONG: Final = 12  # words beside the choice, from which on somebody tells a story


class ReplyKind(StrEnum):
    OPT_OUT = "opt_out"
    START = "start"
    HELP = "help"
    SELECTION = "selection"
    YES = "yes"
    NO = "no"
    OTHER = "other"


class Asked(StrEnum):
    SELECTION = "selection"
    YES_NO = "yes_no"


@dataclass(frozen=True)
class Question:
    """The open question that the client may be answering. `options` by their names, numbered from 1; `payloads` are
    what its buttons send, one an option (or yes and no)."""

    asked: Asked
    options: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """`option` is numbered from 1. `why` says in a word what spoke against acting, empty where nothing did."""

    kind: ReplyKind
    confidence: float
    option: int | None = None
    why: str = ""

    @property
    def acts(self) -> bool:
        """Whether the workflow may be changed by it; anything else is for a person."""
        return self.kind is not ReplyKind.OTHER and self.confidence >= ACTS_FROM


def read_reply(text: str, *, question: Question | None = None, opted_out: bool = False) -> Reading:
    """The reading of a client's own words. `opted_out`: of the channel that they came by; only then YES means START."""
    said = _Said(text)
    if _is_stop(said):
        return Reading(ReplyKind.OPT_OUT, _SURE)
    if said.bare in words.START or (opted_out and said.bare == "yes"):
        return Reading(ReplyKind.START, _SURE)
    if said.bare in words.HELP:
        return Reading(ReplyKind.HELP, _SURE)
    if question is None:
        return _for_people("no_open_question", confidence=0.0)
    if not said.tokens:
        return _for_people("empty", confidence=0.0)
    return _answer(said, question)


def read_button(payload: str, *, question: Question | None) -> Reading:
    """The reading of a pressed button. One of another question is for people."""
    if question is None or payload not in question.payloads:
        return _for_people("foreign_button", confidence=0.0)
    place = question.payloads.index(payload)
    if question.asked is Asked.YES_NO:
        return Reading((ReplyKind.YES, ReplyKind.NO)[min(place, 1)], 1.0)
    return Reading(ReplyKind.SELECTION, 1.0, option=place + 1)


class _Said:
    """The client's own words: without what they quote, in one case, as whole words."""

    def __init__(self, text: str) -> None:
        own = unicodedata.normalize("NFKC", _own_words(text)).casefold()
        own = own.replace("\u2019", "'").replace("\u2018", "'").replace("\ufe0f", "").replace("\u20e3", " ")
        own = re.sub("[\U0001f3fb-\U0001f3ff]", "", own)
        self.tokens: list[str] = re.findall(r"[^\W_]+(?:'[^\W_]+)*|[#?👍✅👌👎❌]", own)
        self.words = [each for each in self.tokens if each != "?"]
        self.line = f" {' '.join(self.words)} "

    @property
    def asks(self) -> bool:
        return "?" in self.tokens

    @property
    def bare(self) -> str:
        """Without courtesies: "Stop. Thank you!" is "stop"."""
        return " ".join(word for word in self.words if word not in words.COURTESY or word == "all")

    def has_phrase(self, phrase: str) -> bool:
        return f" {phrase} " in self.line


def _own_words(text: str) -> str:
    """Without quoted lines and what mail programs put above them (RFC 3676, section 4.5)."""
    kept: list[str] = []
    for line in text.splitlines():
        if re.match(r"\s*(On .{5,120} wrote:|-{2,} ?Original Message|_{10,}|From: .+@|-- $)", line):
            break
        if not line.lstrip().startswith(">"):
            kept.append(line)
    return "\n".join(kept)


_MESSAGES: Final = (
    r"(?:texts?|texting|messages?|messaging|sms|whatsapps?|e?mails?|emailing|mailing|calls?|calling|contacting|"
    r"writing|spam|spamming|pinging|bothering|notifications?|reminders?|sending|updates?)"
)
_STOP_SENDING: Final = (
    rf"(?:stop|quit|cease) (?:all |the |these |those |with |sending |me |us |your |any )*{_MESSAGES} "
)
_AGAINST: Final = r"(?:don't|dont|do not|never)"
_STOP_SENTENCES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^ {_STOP_SENDING}",
        rf" (?:please|pls|plz|just|to|and|you|now|kindly|must|should) {_STOP_SENDING}",
        rf" {_AGAINST} (?:ever )?(?:text|message|contact|sms|whatsapp|email|mail|call|write(?: to)?) (?:me|us) ",
        rf" {_AGAINST} send (?:me |us )?(?:any )?(?:more )?{_MESSAGES} ",
        r" (?:unsubscribe|remove|delete) (?:me|us|my number|this number) ",
        r" take (?:me|us|my number) off ",
        rf" no more {_MESSAGES} ",
        r" (?:want|like|wish|need) to (?:opt out|optout|unsubscribe) ",
        r" opt (?:me|us) out ",
        r"^ (?:i|we) (?:opt out|unsubscribe|revoke my consent) ",
        r" leave me alone ",
    )
)
_NOT_TO_STOP: Final = re.compile(
    r" (?:don't|dont|do not|never|not|can't|cant|cannot|can not|won't|couldn't) (?:ever )?stop "
)


def _is_stop(said: _Said) -> bool:
    bare = said.bare
    if bare in words.STOP or (bare and set(bare.split()) <= {"stop", "all"} and "stop" in bare.split()):
        return True
    if _NOT_TO_STOP.search(said.line):
        return False
    return any(pattern.search(said.line) for pattern in _STOP_SENTENCES)


def _answer(said: _Said, question: Question) -> Reading:
    mentions = set(_mentions(said, question))
    if question.asked is Asked.SELECTION and mentions:
        return _selection(said, mentions, question)
    reading = _yes_or_no(said)
    if question.asked is Asked.YES_NO or reading.kind is not ReplyKind.YES:
        return reading
    # A yes to several options chooses none of them.
    if len(question.options) == 1 and reading.acts:
        return Reading(ReplyKind.SELECTION, min(reading.confidence, _CLEAR), option=1)
    return _for_people("which_option")


def _selection(said: _Said, mentions: set[int], question: Question) -> Reading:
    if len(mentions) > 1:
        return _for_people("several_options")
    (option,) = mentions
    if not 1 <= option <= len(question.options):
        return _for_people("no_such_option", confidence=0.0)
    rest = _beside(said, option, question)
    if said.asks:
        return Reading(ReplyKind.SELECTION, _UNSURE, option, why="question")
    if any(word in words.REVERSING for word in rest):
        return Reading(ReplyKind.SELECTION, _UNSURE, option, why="condition")
    strange = [word for word in rest if word not in words.FILLERS]
    if not strange:
        return Reading(ReplyKind.SELECTION, _SURE, option)
    if len(rest) <= _LONG and any(word in words.CHOOSING for word in rest):
        return Reading(ReplyKind.SELECTION, _CLEAR, option)
    return Reading(ReplyKind.SELECTION, _UNSURE, option, why="unclear")


def _beside(said: _Said, option: int, question: Question) -> list[str]:
    """The words that are not the choice itself."""
    line, name = said.line, " ".join(_tokens(question.options[option - 1]))
    if name:
        line = line.replace(f" {name} ", " ")
    rest, before = [], ""
    for word in line.split():
        part_of_choice = (
            _number(word) is not None
            or _ordinal(word) is not None
            or word in words.OPTION_WORDS
            or word == "last"
            or (before in words.OPTION_WORDS and len(word) == 1)
        )
        if not part_of_choice:
            rest.append(word)
        before = word
    return rest


def _mentions(said: _Said, question: Question) -> Iterator[int]:
    """Every option that is named, also one that does not exist."""
    tokens = said.words
    for place, word in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        after = tokens[place + 1] if place + 1 < len(tokens) else ""
        if (ordinal := _ordinal(word)) is not None:
            if after in words.THING_WORDS or (before == "the" and not after) or len(tokens) == 1:
                yield ordinal
        elif (number := _number(word)) is not None:
            if _is_choice(word, before, after):
                yield number
        elif word == "last" and after in words.THING_WORDS:
            yield len(question.options)
        elif _is_letter(word, before, after):
            yield ord(word) - ord("a") + 1
    yield from _named(said, question)


def _is_letter(word: str, before: str, after: str) -> bool:
    """As in "option B"; "option a friend likes" names none."""
    if before not in words.OPTION_WORDS - {"#"} or not re.fullmatch(r"[a-j]", word):
        return False
    return word not in {"a", "i"} or not after or after in words.FILLERS


def _is_choice(word: str, before: str, after: str) -> bool:
    """A number is an option after a word for options, or where nothing but a choice is said: not "at 2", "2 guests"."""
    if before in words.OPTION_WORDS:
        return True
    if word == "one" and (after or before in _PRONOUN_BEFORE_ONE or _ordinal(before) is not None):
        return False
    if before in {"on", "in", "have", "as", "we're", "us", "of"} or after in {"of", "as", "can", "could"}:
        return False
    return all(
        not word or word in words.FILLERS or word in words.REVERSING or _number(word) is not None
        for word in (before, after)
    )


def _named(said: _Said, question: Question) -> Iterator[int]:
    """Options whose whole name is said; a name that is part of another one's counts for the longer alone."""
    line = said.line
    by_length = sorted(enumerate(question.options, start=1), key=lambda each: -len(_tokens(each[1])))
    for number, name in by_length:
        phrase = " ".join(_tokens(name))
        if len(phrase) > 2 and not phrase.isdigit() and f" {phrase} " in line:
            line = line.replace(f" {phrase} ", " ")
            yield number


def _yes_or_no(said: _Said) -> Reading:
    if any(said.has_phrase(phrase) for phrase in words.NEITHER_PHRASES):
        return _for_people("undecided")
    found, rest = _polarity(said.line)
    if len(found) != 1:
        return _for_people("unclear" if not found else "yes_and_no")
    (kind,) = found
    if said.asks:
        return Reading(kind, _UNSURE, why="question")
    if any(word in words.REVERSING for word in rest):
        return Reading(kind, _UNSURE, why="condition")
    strange = [word for word in rest if word not in words.FILLERS]
    if not strange:
        return Reading(kind, _SURE)
    begins = said.words[0] in words.YES | words.NO
    return Reading(kind, _CLEAR if begins and len(rest) <= 4 else _UNSURE, why="" if begins else "unclear")


def _polarity(line: str) -> tuple[set[ReplyKind], list[str]]:
    """What is said of yes and no, phrases before words, and the words that are left."""
    found: set[ReplyKind] = set()
    for kind, phrases in ((ReplyKind.NO, words.NO_PHRASES), (ReplyKind.YES, words.YES_PHRASES)):
        for phrase in sorted(phrases, key=len, reverse=True):
            if f" {phrase} " in line:
                line = line.replace(f" {phrase} ", " ")
                found.add(kind)
    rest = line.split()
    for kind, known in ((ReplyKind.NO, words.NO), (ReplyKind.YES, words.YES)):
        if any(word in known for word in rest):
            found.add(kind)
        rest = [word for word in rest if word not in known]
    return found, rest


def _for_people(why: str, *, confidence: float = _UNSURE) -> Reading:
    return Reading(ReplyKind.OTHER, confidence, why=why)


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", unicodedata.normalize("NFKC", text).casefold())


def _number(word: str) -> int | None:
    """Of `2`, `２` and `two`; None for anything else, and for what is longer than any list of options."""
    if word in words.NUMBERS:
        return words.NUMBERS[word]
    return int(word) if word.isdecimal() and len(word) <= 3 else None


def _ordinal(word: str) -> int | None:
    """Of `second` and `2nd`."""
    digits = re.fullmatch(r"([0-9]{1,3})(?:st|nd|rd|th)", word)
    return int(digits[1]) if digits else words.ORDINALS.get(word)
