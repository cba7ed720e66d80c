"""The English words by which clients answer: plain data for `reply_parser`. Compared as whole words, never as parts."""

from types import MappingProxyType
from typing import Final


def _list(text: str) -> list[str]:
    return text.split()


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# CTIA and TCPA (47 CFR 64.1200): a message that is one of these, in any case and punctuation.
STOP: Final = frozenset(
    {"stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"}
)
START: Final = frozenset({"start", "unstop"})
HELP: Final = frozenset({"help", "info"})

COURTESY: Final = _set(
    "please pls plz thanks thank thankyou thx ty you u very much so kindly now hi hello hey dear team sir madam all "
    "regards best cheers namaste"
)
YES: Final = _set(
    "yes y yeah yep yup yea ya ok okay k sure confirm confirmed confirming correct agreed agree absolutely definitely "
    "certainly perfect accepted accept approved approve affirmative 👍 ✅ 👌"
)
YES_PHRASES: Final = (
    "go ahead", "sounds good", "looks good", "looks great", "sounds great", "looks perfect", "sounds perfect",
    "of course", "works for me", "works for us", "that works", "do it", "book it", "all good", "fine by me",
    "that is fine", "that's fine", "it's fine", "i confirm", "we confirm", "we are happy with it",
)  # fmt: skip
NO: Final = _set("no n nope nah negative decline declined reject rejected 👎 ❌")
NO_PHRASES: Final = (
    "no thanks", "no thank you", "not interested", "none of them", "none of these", "none of those", "neither",
    "neither of them", "none", "i decline", "we decline", "no way", "not at all", "i don't want it", "not for me",
    "not for us",
)  # fmt: skip
# Neither yes nor no, though they begin like one.
NEITHER_PHRASES: Final = (
    "not now", "not yet", "no problem", "no worries", "no idea", "not sure", "no rush", "no hurry", "no clue",
    "no doubt", "maybe", "perhaps", "later", "ok but", "yes but", "let me think", "i don't know", "we don't know",
)  # fmt: skip

NUMBERS: Final = MappingProxyType(
    {
        word: number
        for number, word in enumerate(
            _list("one two three four five six seven eight nine ten eleven twelve"), start=1
        )
    }
)
ORDINALS: Final = MappingProxyType(
    {
        word: number
        for number, word in enumerate(
            _list("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"),
            start=1,
        )
    }
)
OPTION_WORDS: Final = _set(
    "option options opt choice choices number nr num combination combo package proposal variant selection offer #"
)
THING_WORDS: Final = frozenset({"one", *OPTION_WORDS}) - {"#", "number", "nr", "num", "opt"}

# What a choice is made with.
CHOOSING: Final = (
    _set(
        "choose chose chosen choosing pick picked picking take taking took prefer preferred want wanted select "
        "selected book go going with like liked love loved decided favourite favorite winner best good great perfect "
        "nice amazing wonderful happy"
    )
    | YES
)
# What may stand beside a choice without changing it.
FILLERS: Final = (
    _set(
        "i we i'd we'd i'll we'll i'm we're would will shall is it's its it the a an my our for to of and let's lets "
        "let us me do have has looks look sounds seems think know believe guess this that which on in then well just "
        "really actually final answer here both everyone family agree everything as be one that's can could"
    )
    | COURTESY
    | CHOOSING
)
# What makes a choice depend on something, or turns it round.
REVERSING: Final = _set(
    "not don't dont doesn't doesnt didn't isn't isnt never no none neither nor but if unless except without instead "
    "however or rather either than maybe perhaps unsure change changed cancel against hate dislike avoid skip drop "
    "remove versus vs compare difference between cheaper"
)
