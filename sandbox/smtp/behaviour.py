"""How the catcher treats the next messages: the words of the control API, checked, and their bookkeeping."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sandbox.fields import MAX_COUNT, MAX_SECONDS, BehaviourError, Share, given_fields, number, word


class Mode(StrEnum):
    ACCEPT = "accept"
    REFUSE = "refuse"
    DELAY = "delay"
    DROP_BEFORE_DATA = "drop_before_data"
    DROP_AFTER_DATA = "drop_after_data"


class Stage(StrEnum):
    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_DATA = "end_of_data"


MAX_TEXT_CHARACTERS = 400  # a reply line has at most 512 octets (RFC 5321 §4.5.3.1.5)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`code`, `text` and `stage` belong to refuse, `seconds` to delay.

    `count` is how many messages are still looked at (None: no end), of which `ratio` (0..1) are treated so;
    after them the catcher accepts again. At stage connect a connection counts as a message.
    """

    mode: Mode = Mode.ACCEPT
    code: int = 451
    text: str = "4.3.0 Try again later"
    stage: Stage = Stage.RCPT
    seconds: float = 5.0
    ratio: float = 1.0
    count: int | None = None

    @property
    def acts_at(self) -> Stage | None:
        """The point of the dialogue where it shows; None for accept."""
        return {
            Mode.ACCEPT: None,
            Mode.REFUSE: self.stage,
            Mode.DELAY: Stage.END_OF_DATA,
            Mode.DROP_BEFORE_DATA: Stage.DATA,
            Mode.DROP_AFTER_DATA: Stage.END_OF_DATA,
        }[self.mode]

    def as_json(self) -> dict[str, object]:
        """What the control API shows: only what matters to the mode."""
        shown: dict[str, object] = {"mode": self.mode.value}
        if self.mode is Mode.REFUSE:
            shown |= {"code": self.code, "text": self.text, "stage": self.stage.value}
        if self.mode is Mode.DELAY:
            shown |= {"seconds": self.seconds}
        if self.mode is not Mode.ACCEPT:
            shown |= {"ratio": self.ratio, "count": self.count}
        return shown


class Control:
    """The behaviour in force. Belongs to the event loop; a new start accepts."""

    def __init__(self) -> None:
        self.current = Behaviour()
        self._share = Share()

    def set(self, behaviour: Behaviour) -> None:
        self.current = behaviour
        self._share = Share()

    def draw(self, stage: Stage) -> Behaviour | None:
        """The behaviour if the message that has reached `stage` is one it applies to; counts that message."""
        behaviour = self.current
        if behaviour.acts_at is not stage:
            return None
        if behaviour.count is not None:
            left = behaviour.count - 1
            self.current = replace(behaviour, count=left) if left else Behaviour()
        return behaviour if self._share.is_next(behaviour.ratio) else None


def parse_behaviour(body: object) -> Behaviour:
    """Checks what the control API was given; `BehaviourError` names the field. null means the default."""
    given = given_fields(body, tuple(Behaviour.__slots__), example='{"mode": "refuse", "code": 550}')
    if "mode" not in given:
        raise BehaviourError(f"mode is missing. Allowed: {', '.join(Mode)}.")
    code = int(number(given, "code", 400, 599, whole=True)) if "code" in given else Behaviour().code
    return Behaviour(
        mode=Mode(word(given, "mode", Mode)),
        code=code,
        text=_text(given, code),
        stage=Stage(word(given, "stage", Stage)) if "stage" in given else Stage.RCPT,
        seconds=float(number(given, "seconds", 0, MAX_SECONDS))
        if "seconds" in given
        else Behaviour().seconds,
        ratio=float(number(given, "ratio", 0, 1)) if "ratio" in given else 1.0,
        count=int(number(given, "count", 1, MAX_COUNT, whole=True)) if "count" in given else None,
    )


def _text(given: Mapping[str, object], code: int) -> str:
    text = given.get("text", "4.3.0 Try again later" if code < 500 else "5.0.0 Refused by the sandbox")
    if not isinstance(text, str) or not text.isprintable() or len(text) > MAX_TEXT_CHARACTERS:
        raise BehaviourError(f"text must be one line of at most {MAX_TEXT_CHARACTERS} printable characters.")
    return text
