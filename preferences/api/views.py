from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from clients.models import Client
from clients.services.gate import cache_subject
from clients.services.introduce import introduce_client
from core import clock, spool
from core.api.base import ApiView
from core.api.principals import Caller, CallerKind
from core.api.schema import problem_responses
from core.cached import read_through
from core.database import DATABASE_AWAY
from core.errors import NotFound
from core.scopes import Scope
from preferences.api import answers, spooling
from preferences.api.forms import PreferencesPatchSerializer, PreferencesSerializer, change_of
from preferences.choices import SettingSource
from preferences.rules import wordings
from preferences.selectors.ledger import ledger_of
from preferences.selectors.profile import profile_of
from preferences.services.changing import Author, Changed, change_preferences

_DESCRIPTION = (
    "A field that is left out keeps its value; the change holds from the answer on, for what waits and for what is "
    "being sent too. What the client or staff chose is not overridden by a program: it is named in `kept`. While the "
    "database is away the answer is 202, and the change is stored when it is back, before anything is sent."
)
_SEE, _CHANGE = "preferences.view_clientpreferences", "preferences.change_clientpreferences"


def client_id_of(reference: str) -> UUID:
    """Raises NotFound."""
    found = Client.objects.filter(reference=reference).values_list("id", flat=True).first()
    if found is None:
        raise NotFound("There is no client with this client_id.", code="client_not_found")
    return found


def author_of(caller: Caller, why: str) -> Author:
    """Programs speak for the planner."""
    if caller.kind is CallerKind.INTERACTIVE:
        return Author(SettingSource.STAFF, caller.reference, wordings.STAFF, why=why)
    return Author(SettingSource.PLANNER, caller.reference, wordings.PLANNER_SAID, why=why)


class _ChangingView(ApiView):
    def change(self, reference: str, form: Mapping[str, Any], body: Any, *, upsert: bool) -> Response:
        author = author_of(self.caller, form.get("why", ""))
        try:
            changed, answer = self._change(reference, form, author, upsert=upsert)
        except DATABASE_AWAY:
            if not spool.is_configured():
                raise
            entry_id = spooling.spool_change(reference=reference, body=body, author=author, upsert=upsert)
            waiting = {"request_id": entry_id, "client_id": reference, "status": "accepted"}
            return Response(answers.SpooledPreferencesSerializer(waiting).data, status=202)
        return Response({**answer, "changed": list(changed.settings), "kept": list(changed.kept)})

    def _change(
        self, reference: str, form: Mapping[str, Any], author: Author, *, upsert: bool
    ) -> tuple[Changed, dict[str, Any]]:
        now = clock.now()
        client_id = (
            introduce_client(reference=reference, actor=author.actor, now=now)
            if upsert
            else client_id_of(reference)
        )
        changed = change_preferences(client_id=client_id, change=change_of(form), author=author, now=now)
        return changed, answers.preferences_answer(reference, profile_of(client_id))


_CHANGED: dict[Any, Any] = {
    200: answers.ChangedPreferencesSerializer,
    202: answers.SpooledPreferencesSerializer,
    **problem_responses(400, 401, 403, 404, 413, 415, 422, 429, 503),
}


class PreferencesView(_ChangingView):
    required_scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.WRITE}
    staff_permissions: ClassVar[dict[str, str]] = {"POST": _CHANGE}

    @extend_schema(
        operation_id="set_preferences",
        summary="Set a client's preferences",
        description=f"{_DESCRIPTION} A client who is not known yet is made; their addresses come with a message.",
        tags=["Preferences"],
        request=PreferencesSerializer,
        responses=_CHANGED,
    )
    def post(self, request: Request) -> Response:
        form = PreferencesSerializer.checked(request.data)
        return self.change(form["client_id"], form, request.data, upsert=True)


class ClientPreferencesView(_ChangingView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ, "PATCH": Scope.WRITE}
    staff_permissions: ClassVar[dict[str, str]] = {"GET": _SEE, "PATCH": _CHANGE}

    @extend_schema(
        operation_id="get_preferences",
        summary="A client's effective preferences, each with who set it",
        tags=["Preferences"],
        responses={
            200: answers.EffectivePreferencesSerializer,
            **problem_responses(401, 403, 404, 429, 503),
        },
    )
    def get(self, _request: Request, client_id: str) -> Response:
        # A reference is for good; what is known of its client is as new as the last change of theirs.
        identifier = UUID(read_through(f"client-id:{client_id}", lambda: str(client_id_of(client_id))))
        answer = read_through(
            cache_subject(identifier),
            lambda: answers.preferences_answer(client_id, profile_of(identifier)),
        )
        return Response(answer)

    @extend_schema(
        operation_id="change_preferences",
        summary="Change some of a client's preferences",
        description=_DESCRIPTION,
        tags=["Preferences"],
        request=PreferencesPatchSerializer,
        responses=_CHANGED,
    )
    def patch(self, request: Request, client_id: str) -> Response:
        form = PreferencesPatchSerializer.checked(request.data)
        return self.change(client_id, form, request.data, upsert=False)


class ClientConsentView(ApiView):
    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ}
    staff_permissions: ClassVar[dict[str, str]] = {"GET": "preferences.view_consententry"}

    @extend_schema(
        operation_id="get_consent",
        summary="What a client allowed and refused: who said so, when, and with which words",
        tags=["Preferences"],
        responses={200: answers.ConsentSerializer, **problem_responses(401, 403, 404, 429, 503)},
    )
    def get(self, _request: Request, client_id: str) -> Response:
        identifier = client_id_of(client_id)
        return Response(answers.consent_answer(client_id, profile_of(identifier), ledger_of(identifier)))
