"""The kill switch: stopping everything, a channel, a plan or a message type, and letting it go on.

A pause is obeyed from the instant that it is committed. The check reads the gate's version together with the open
pauses; the fence holds the gate's row and demands that version; whoever pauses or lifts raises it, having taken the
row first. So the fence either is committed before the pause, or sees it and lets nothing through.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from clients.models import Plan
from communications.choices import MessageType, PauseScope
from communications.models import SENDING_GATE_ID, Pause, SendingGate
from communications.services.waiting import RELEASE_TASK
from core import audit
from core.choices import Channel
from core.errors import Conflict, FieldProblem, Invalid, NotFound
from core.impersonal import looks_personal
from core.logs import get_logger
from core.wake import ring

log = get_logger("pauses")

MAX_REASON: Final = 200


@dataclass(frozen=True)
class Paused:
    """`created` is false where the same was paused already: then `pause` is that one, with its own reason."""

    pause: Pause
    created: bool


def pause(*, scope: PauseScope, value: str, reason: str, actor: str, now: datetime) -> Paused:
    """Stop what `scope` and `value` name (`value` empty for everything), critical messages too. Repeating it changes
    nothing. Raises Invalid."""
    check_wish(scope=scope, value=value, reason=reason)
    with transaction.atomic():
        _take_gate()
        found = Pause.objects.filter(scope=scope, value=value, lifted_at__isnull=True).first()
        if found is not None:
            return Paused(found, created=False)
        made = Pause.objects.create(scope=scope, value=value, reason=reason, created_at=now, created_by=actor)
        _raise_version()
        _note("sending.paused", made, actor, now)
    return Paused(made, created=True)


def check_wish(*, scope: PauseScope, value: str, reason: str) -> None:
    """Raises Invalid for what `pause` would refuse."""
    problems = [
        problem for problem in (_value_problem(scope, value), _reason_problem(reason)) if problem is not None
    ]
    if problems:
        raise Invalid(problems)


def lift(*, pause_id: UUID, actor: str, now: datetime) -> Pause:
    """Let go on what this pause held; what waited goes out as fast as the provider takes it. Raises NotFound, and
    Conflict when it was lifted before."""
    with transaction.atomic():
        _take_gate()
        found = Pause.objects.filter(id=pause_id).first()
        if found is None:
            raise NotFound("There is no such pause. GET pause lists those that are open.")
        if found.lifted_at is not None:
            raise Conflict("This pause was lifted already.", code="already_lifted")
        found.lifted_at, found.lifted_by = now, actor
        found.save(update_fields=["lifted_at", "lifted_by"])
        _raise_version()
        _note("sending.resumed", found, actor, now)
        ring(RELEASE_TASK)
    return found


def ensure_sending_gate(*, using: str, **_signal: Any) -> None:
    """Receiver of post_migrate: the gate's one row, also after the tables were emptied."""
    if SendingGate._meta.db_table in transaction.get_connection(using).introspection.table_names():
        SendingGate.objects.using(using).get_or_create(id=SENDING_GATE_ID)


def _take_gate() -> None:
    """First of all locks: fences that have passed are committed, later ones wait for what is written here."""
    SendingGate.objects.select_for_update().get(id=SENDING_GATE_ID)


def _raise_version() -> None:
    gate = SendingGate.objects.get(id=SENDING_GATE_ID)
    gate.version += 1
    gate.save(update_fields=["version"])


def _note(action: str, made: Pause, actor: str, now: datetime) -> None:
    details = _audit_details(made)
    audit.record(actor=actor, action=action, target=f"pause:{made.id}", details=details, now=now)
    log.warning(action.replace(".", " "), scope=made.scope, caller=actor)


def _audit_details(made: Pause) -> dict[str, Any]:
    """A plan by its id: references are the caller's own."""
    if made.scope != PauseScope.PLAN:
        return {"scope": made.scope, "value": made.value}
    plan = Plan.objects.filter(reference=made.value).first()
    return {"scope": made.scope, "value": str(plan.id) if plan else ""}


def _value_problem(scope: PauseScope, value: str) -> FieldProblem | None:
    if scope is PauseScope.EVERYTHING:
        return FieldProblem("value", "not_wanted", "Leave this out to pause everything.") if value else None
    if not value:
        return FieldProblem("value", "required", f"Say which {scope.value.replace('_', ' ')} to pause.")
    known = _KNOWN.get(scope)
    if known is not None and value not in known:
        return FieldProblem("value", "invalid_choice", f"Use one of {', '.join(known)}.")
    if scope is PauseScope.PLAN and not Plan.objects.filter(reference=value).exists():
        return FieldProblem("value", "unknown_plan", "No plan has this reference. Check how it is written.")
    return None


_KNOWN: Final = {
    PauseScope.CHANNEL: tuple(channel.value for channel in Channel),
    PauseScope.MESSAGE_TYPE: tuple(kind.value for kind in MessageType),
}


def _reason_problem(reason: str) -> FieldProblem | None:
    if len(reason) > MAX_REASON:
        return FieldProblem("reason", "max_length", f"Say it in {MAX_REASON} characters at most.")
    if looks_personal(reason):
        return FieldProblem(
            "reason", "personal", "Leave addresses, numbers and links out: the reason is kept for good."
        )
    return None
