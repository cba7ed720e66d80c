"""History and Communication: what was sent, and why. What may be done about it: `actions`."""

from hashlib import sha256
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from csp.constants import SELF
from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin

from communications.rules.story import tell
from communications.selectors.attachments import open_attachment
from communications.selectors.detail import CommunicationDetail, get_communication, siblings
from communications.selectors.history import HistoryPage, client_zones, list_communications
from communications.selectors.story_facts import story_facts
from communications.services.preview import strategy_now
from communications.web.access import VIEW_CONTENT, StaffView
from communications.web.actions import offers
from communications.web.forms import HistoryFilterForm
from communications.web.lines import attempt_lines, event_lines, history_lines, label_of, member_lines
from communications.web.plan_lines import plan_lines
from communications.web.preview import preview_of
from core import clock
from core.errors import Invalid, NotFound

PAGE_SIZE: Final = 50
VIEWS: Final = ("desktop", "phone", "text")

_MAX_CURSOR: Final = 500
_STALE_CURSOR: Final = "This link to a later page is not valid any more. Here is the list from its start."
# A mail is somebody else's page: its own styles and pictures inside it, nothing from outside, nothing that acts.
_MAIL_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    )
)
_framing = method_decorator(csp_update({"frame-src": [SELF]}), name="dispatch")


def _viewer_zone() -> ZoneInfo:
    zone = timezone.get_current_timezone()
    return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")


class _HistoryList(StaffView):
    def list_context(self) -> dict[str, Any]:
        """The filters and the rows that they leave. Filters that are wrong leave none; a cursor that is not ours, the
        first page."""
        form = HistoryFilterForm(self.request.GET)
        cursor = self.request.GET.get("cursor", "")[:_MAX_CURSOR] or None
        context: dict[str, Any] = {"form": form, "is_first": cursor is None, "may_read": self.may_read}
        if not form.is_valid():
            return context
        try:
            page = self._page(form, cursor)
        except Invalid:
            page = self._page(form, None)
            context |= {"is_first": True, "cursor_problem": _STALE_CURSOR}
        return context | {"page": page, "lines": history_lines(page.entries)}

    def _page(self, form: HistoryFilterForm, cursor: str | None) -> HistoryPage:
        return list_communications(
            form.filters(viewer_zone=_viewer_zone()),
            limit=PAGE_SIZE,
            cursor=cursor,
            order=form.chosen_order,
            contents=self.may_read,
        )

    def rows(self, context: dict[str, Any]) -> tuple[str, str]:
        """The rows as HTML, and what tells them from others."""
        html = render_to_string("communications/_history_rows.html", context, self.request)
        return html, sha256(html.encode("utf-8", "replace")).hexdigest()


@_framing
class HistoryView(_HistoryList):
    def get(self, request: HttpRequest) -> HttpResponse:
        context = self.list_context()
        html, seen = self.rows(context)
        return render(request, "communications/history.html", context | {"rows": html, "seen": seen})


@_framing
class HistoryRowsView(_HistoryList):
    """The rows alone, for the page to refresh them; 204 when they are what the page shows already."""

    def get(self, request: HttpRequest) -> HttpResponse:
        html, seen = self.rows(self.list_context())
        if request.headers.get("X-Rows-Seen") == seen:
            return HttpResponse(status=204)
        return render(request, "communications/_history_refresh.html", {"rows": html, "seen": seen})


class _OneCommunication(StaffView):
    def detail(self, communication_id: UUID) -> CommunicationDetail:
        try:
            return get_communication(communication_id, contents=self.may_read)
        except NotFound as error:
            raise Http404(error.detail) from error

    def story_context(self, communication_id: UUID) -> dict[str, Any]:
        detail = self.detail(communication_id)
        facts = story_facts(detail, viewer_zone=_viewer_zone(), now=clock.now())
        return {
            "detail": detail,
            "facts": facts,
            "row": detail.entry.row,
            "label": label_of(detail.entry.row.message_type),
            "zone": facts.zone,
            "story": tell(facts),
            "may_read": self.may_read,
            "preview": preview_of(detail, zone=facts.zone),
        }


@_framing
class CommunicationView(_OneCommunication):
    """`?view=` chooses how the message is shown: desktop, phone or text."""

    def get(self, request: HttpRequest, communication_id: UUID) -> HttpResponse:
        context = self.story_context(communication_id)
        views = VIEWS if context["preview"] else ("text",)
        asked = request.GET.get("view", "")
        context |= {
            "views": views,
            "view": asked if asked in views else views[0],
            "siblings": siblings(context["row"]),
            "members": member_lines(context["detail"]),
            "plan": plan_lines(
                context["detail"], strategy_now(communication_id=communication_id, now=clock.now())
            ),
            "events": event_lines(context["detail"], context["facts"]),
            "attempts": attempt_lines(context["detail"]),
            "offers": offers(context["row"], now=clock.now()) if self.may_act else (),
        }
        return render(request, "communications/communication.html", context)


@_framing
class WholeMessageView(_OneCommunication):
    """What a row of the history expands to."""

    def get(self, request: HttpRequest, communication_id: UUID) -> HttpResponse:
        return render(request, "communications/_whole_message.html", self.story_context(communication_id))


@method_decorator(xframe_options_sameorigin, name="dispatch")
class PreviewView(_OneCommunication):
    """The mail's HTML by itself, for a sandboxed frame, under a policy of its own."""

    permission_required = ("communications.view_communication", VIEW_CONTENT)

    def get(self, _request: HttpRequest, communication_id: UUID) -> HttpResponse:
        detail = self.detail(communication_id)
        preview = preview_of(detail, zone=client_zones([detail.entry])[detail.entry.row.client_id])
        if preview is None:
            raise Http404("This message has no HTML.")
        return HttpResponse(preview.html, headers={"Content-Security-Policy": _MAIL_POLICY})


class AttachmentView(StaffView):
    """A file of a message, to keep: never shown by the browser as a page of ours, whatever is in it."""

    permission_required = ("communications.view_communication", VIEW_CONTENT)

    def get(self, _request: HttpRequest, communication_id: UUID, attachment_id: int) -> HttpResponse:
        try:
            file = open_attachment(communication_id=communication_id, attachment_id=attachment_id)
        except NotFound as error:
            raise Http404(error.detail) from error
        return HttpResponse(
            file.content,
            content_type=file.media_type,
            headers={
                "Content-Disposition": content_disposition_header(as_attachment=True, filename=file.filename)
                or "",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "private, no-store",
            },
        )
