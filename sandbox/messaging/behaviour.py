"""How a messaging provider treats the next requests: the words of the control API, checked, and their bookkeeping."""

from dataclasses import dataclass, replace
from enum import StrEnum

from sandbox.fields import MAX_COUNT, MAX_SECONDS, BehaviourError, Share, given_fields, number, word

FIELDS = ("mode", "code", "seconds", "ratio", "count", "receipt")
MAX_CODE = 999_999


class Mode(StrEnum):
    """`error`: refused with `code`. `hang`: taken, and no answer comes. `late`: taken, answered after `seconds`.
    `repeat`: every callback comes twice. `reorder`: callbacks come last first. `unreachable`: nobody listens."""

    ACCEPT = "accept"
    ERROR = "error"
    HANG = "hang"
    LATE = "late"
    REPEAT = "repeat"
    REORDER = "reorder"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`code` is the provider's own; one from 400 to 599 is a bare HTTP status without the provider's error object.
    `receipt`: the request is taken and the error told by a callback (None: as the provider does for that code).

    `count` is how many requests are still looked at (None: no end), of which `ratio` (0..1) are treated so; after them
    the provider accepts again. Nobody can be counted who does not get through, so `unreachable` takes neither.
    """

    mode: Mode = Mode.ACCEPT
    code: int = 503
    seconds: float = 5.0
    ratio: float = 1.0
    count: int | None = None
    receipt: bool | None = None

    def as_json(self) -> dict[str, object]:
        """What the control API shows: only what matters to the mode."""
        shown: dict[str, object] = {"mode": self.mode.value}
        if self.mode is Mode.ERROR:
            shown |= {"code": self.code, "receipt": self.receipt}
        if self.mode in {Mode.LATE, Mode.HANG}:
            shown |= {"seconds": self.seconds}
        if self.mode not in {Mode.ACCEPT, Mode.UNREACHABLE}:
            shown |= {"ratio": self.ratio, "count": self.count}
        return shown


ACCEPTING = Behaviour()


class Control:
    """The behaviour in force. Belongs to the event loop; a new start accepts."""

    def __init__(self) -> None:
        self.current = ACCEPTING
        self._share = Share()

    def set(self, behaviour: Behaviour) -> None:
        self.current = behaviour
        self._share = Share()

    def draw(self) -> Behaviour:
        """How the request that has just come is treated; counts it."""
        behaviour = self.current
        if behaviour.mode is Mode.ACCEPT:
            return behaviour
        if behaviour.count is not None:
            left = behaviour.count - 1
            self.current = replace(behaviour, count=left) if left else ACCEPTING
        return behaviour if self._share.is_next(behaviour.ratio) else ACCEPTING


def parse_behaviour(body: object) -> Behaviour:
    """Checks what the control API was given; `BehaviourError` names the field. null means the default."""
    given = given_fields(body, FIELDS, example='{"mode": "error", "code": 21211}')
    if "mode" not in given:
        raise BehaviourError(f"mode is missing. Allowed: {', '.join(Mode)}.")
    mode = Mode(word(given, "mode", Mode))
    if mode is Mode.UNREACHABLE and ("ratio" in given or "count" in given):
        raise BehaviourError("unreachable takes neither ratio nor count: end it with another mode.")
    receipt = given.get("receipt")
    if receipt is not None and not isinstance(receipt, bool):
        raise BehaviourError("receipt must be true or false.")
    return Behaviour(
        mode=mode,
        code=int(number(given, "code", 0, MAX_CODE, whole=True)) if "code" in given else 503,
        seconds=float(number(given, "seconds", 0, MAX_SECONDS))
        if "seconds" in given
        else (MAX_SECONDS if mode is Mode.HANG else 5.0),
        ratio=float(number(given, "ratio", 0, 1)) if "ratio" in given else 1.0,
        count=int(number(given, "count", 1, MAX_COUNT, whole=True)) if "count" in given else None,
        receipt=receipt,
    )
