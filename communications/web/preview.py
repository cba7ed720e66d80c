from dataclasses import dataclass
from zoneinfo import ZoneInfo

from communications.agents.email import ComposedText, compose_html
from communications.selectors.detail import CommunicationDetail
from communications.services.composing import message_facts
from core.choices import Channel


@dataclass(frozen=True)
class Preview:
    """`as_sent`: these are the very bytes that went out, before tokens; None while nothing went out."""

    html: str
    as_sent: bool | None


def preview_of(detail: CommunicationDetail, *, zone: ZoneInfo) -> Preview | None:
    """The HTML, made again from the pinned template version and the context. None where there is none: another
    channel, a mail of text alone, an erased client, or contents that were not asked for."""
    row, entry = detail.entry.row, detail.entry
    if row.channel != Channel.EMAIL or detail.context is None or detail.text is None:
        return None
    made = compose_html(
        row.request.template_version,
        message_facts(
            detail.context,
            message_type=row.message_type,
            plan_reference=row.plan.reference,
            zone=zone.key,
            requested_at=row.request.created_at,
        ),
        ComposedText(
            subject=entry.subject or "",
            preview=entry.preview or "",
            text=detail.text,
            degraded=row.metadata.get("degraded", ""),
        ),
    )
    if made.html is None:
        return None
    return Preview(made.html, as_sent=made.sha256 == row.html_sha256 if row.html_sha256 else None)
