"""What staff may do about a communication: the buttons, and what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from communications.choices import Status
from communications.models import Communication
from communications.rules.actions import Action, Way
from communications.services.actions import act, possible
from communications.web.access import SEND, StaffView
from core import clock
from core.errors import Conflict, NotFound


@dataclass(frozen=True)
class Offer:
    """A button. `consequence` is told before it is done, with `confirm` to do it; empty where it can be undone."""

    action: Action
    label: str
    consequence: str = ""
    confirm: str = ""


_CANCEL: Final = Offer(
    Action.CANCEL,
    "Cancel it",
    "It will not be sent. Sending it after all makes a new message.",
    "Do not send it",
)
_STOP: Final = Offer(
    Action.CANCEL,
    "Cancel it",
    "It is being sent at this moment, so it stops only if its call has not begun.",
    "Stop it if possible",
)
_KEEP: Final = Offer(
    Action.CANCEL,
    "Do not send it again",
    "If it turns out that it did not arrive, it stays unsent.",
    "Leave it as it is",
)
_RETRY: Final = Offer(Action.RETRY, "Try again")
_AGAIN: Final = Offer(
    Action.RESEND,
    "Send again",
    "It may arrive twice. We could not find out whether it arrived.",
    "Send it again",
)
_ONCE_MORE: Final = Offer(
    Action.RESEND, "Send again", "It went out already. The client gets it a second time.", "Send it once more"
)
_AFTER_ALL: Final = Offer(
    Action.RESEND,
    "Send after all",
    "The client gets it as a new message. Once it has gone out it cannot be taken back.",
    "Send it after all",
)
_DONE: Final[Mapping[Way, str]] = MappingProxyType(
    {
        Way.CANCEL: "Cancelled. It will not be sent.",
        Way.ASK_TO_CANCEL: "Noted. It is stopped if that is still possible; this page says what became of it.",
        Way.NOTHING: "That was done already.",
        Way.SEND_AGAIN: "Back in the queue. It goes out as soon as the rules allow.",
        Way.SEND_ANEW: "This is the new message. It goes out as soon as the rules allow.",
    }
)


def offers(row: Communication, *, now: datetime) -> Sequence[Offer]:
    """The buttons of a communication: only what is possible now, what helps most first."""
    ways = possible(row=row, now=now)
    if Action.RETRY in ways and ways.get(Action.RESEND) is Way.SEND_ANEW:
        # The same message again, under its own name, is the simpler of the two.
        del ways[Action.RESEND]
    order = (Action.RETRY, Action.RESEND, Action.CANCEL)
    return [_offer(action, ways[action], Status(row.status)) for action in order if action in ways]


def _offer(action: Action, way: Way, status: Status) -> Offer:
    if action is Action.RETRY:
        return _RETRY
    if action is Action.CANCEL:
        return _CANCEL if way is Way.CANCEL else (_STOP if status is Status.SENDING else _KEEP)
    if way is Way.SEND_AGAIN:
        return _AGAIN
    return _AFTER_ALL if status in {Status.FAILED, Status.CANCELLED} else _ONCE_MORE


class ActView(StaffView):
    """Does what a button says and leads to the communication that goes on. A GET, as after signing in, shows it."""

    permission_required = ("communications.view_communication", SEND)
    action: Action = Action.CANCEL

    def post(self, request: HttpRequest, communication_id: UUID) -> HttpResponse:
        user: Any = request.user
        try:
            acted = act(
                action=self.action,
                communication_id=communication_id,
                actor=f"staff:{user.pk}",
                now=clock.now(),
            )
        except NotFound as error:
            raise Http404(error.detail) from error
        except Conflict as conflict:
            messages.warning(request, conflict.detail)
            return redirect("communications:communication", communication_id)
        messages.success(request, _DONE[acted.way])
        return redirect("communications:communication", acted.row.id)

    def get(self, _request: HttpRequest, communication_id: UUID) -> HttpResponse:
        return redirect("communications:communication", communication_id)
