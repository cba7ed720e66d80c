"""Turns a communication into the e-mail that a connector sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.conf import settings

from communications.agents.facts import (
    MessageFacts,
    event_words,
    support_address,
    template_values,
    wording_for,
)
from communications.agents.headers import UnusableHeaderError, clean_subject, new_message_id, thread_id
from communications.agents.mime import EmailEnvelope, MailPart, write_mime
from communications.agents.rendering import UnresolvedVariableError, compiled, fill
from communications.choices import MessageType
from communications.models.template import TemplateVersion
from communications.rules.template_rules import WrongShapeError
from communications.rules.text import one_line
from core.logs import get_logger

__all__ = [
    "GENERIC_TEMPLATE",
    "ComposedHtml",
    "ComposedText",
    "EmailEnvelope",
    "MailPart",
    "MessageFacts",
    "UnusableHeaderError",
    "build_mime",
    "compose_html",
    "compose_text",
    "new_message_id",
    "thread_id",
]

GENERIC_TEMPLATE = "generic"
TEMPLATE_MISSING = "template_missing"
RENDERING_FAILED = "rendering_failed"
_PREVIEW_CHARACTERS = 140

log = get_logger("email")


@dataclass(frozen=True)
class ComposedText:
    """Stored with the communication. `degraded` is "", `template_missing` or `rendering_failed`."""

    subject: str
    preview: str
    text: str
    degraded: str


@dataclass(frozen=True)
class ComposedHtml:
    """`html` None: the mail goes out as text alone, `sha256` is "" then."""

    html: str | None
    sha256: str
    degraded: str


def compose_text(version: TemplateVersion | None, facts: MessageFacts) -> ComposedText:
    """What is stored when a request is accepted. Never fails: the worst case is a short safe text.

    `version` comes from `services.templates.versions_for`, with its template loaded.
    """
    if version is None:
        log.warning("template missing", message_type=facts.message_type, error_code="no_generic")
        return _safe_text(facts, degraded=TEMPLATE_MISSING)
    degraded = ""
    if version.template.name == GENERIC_TEMPLATE and facts.message_type != MessageType.CUSTOM:
        degraded = TEMPLATE_MISSING
        log.warning("template missing", message_type=facts.message_type, template_version=version.id)
    try:
        values = template_values(version, facts)
        parts = compiled(version)
        subject = clean_subject(fill(parts.subject, values, escape=False))
        text = _tidy(fill(parts.text, values, escape=False))
    except Exception as error:  # whatever a template does, the message goes out
        _log_failure(error, version, facts)
        return _safe_text(facts, degraded=RENDERING_FAILED)
    return ComposedText(subject=subject, preview=_preview(text), text=text, degraded=degraded)


def compose_html(
    version: TemplateVersion | None, facts: MessageFacts, composed: ComposedText
) -> ComposedHtml:
    """The HTML part, made again whenever it is needed.

    Same version, facts and installation settings (company, support address, currency) give the same bytes.
    """
    if version is None or composed.degraded == RENDERING_FAILED:
        return ComposedHtml(html=None, sha256="", degraded=composed.degraded)
    try:
        values: dict[str, Any] = template_values(version, facts) | {"subject": composed.subject}
        parts = compiled(version)
        values["preheader"] = one_line(fill(parts.preheader, values, escape=False))
        html = fill(parts.html, values, escape=True)
    except Exception as error:  # whatever a template does, the message goes out
        _log_failure(error, version, facts)
        return ComposedHtml(html=None, sha256="", degraded=RENDERING_FAILED)
    digest = sha256(html.encode("utf-8", "replace")).hexdigest()
    return ComposedHtml(html=html, sha256=digest, degraded=composed.degraded)


def build_mime(
    *, envelope: EmailEnvelope, composed: ComposedText, html: str | None, parts: Sequence[MailPart] = ()
) -> bytes:
    """Bytes for SMTP DATA. Raises UnusableHeaderError for an address that no plain header can hold."""
    return write_mime(envelope, subject=composed.subject, text=composed.text, html=html, parts=parts)


def _safe_text(facts: MessageFacts, *, degraded: str) -> ComposedText:
    """Uses nothing of the context but a custom message's own words: no template, no dates, no zone."""
    wording = wording_for(facts)
    name, support = one_line(facts.client_name), support_address()
    closing = [settings.CRM_COMPANY_NAME, settings.CRM_POSTAL_ADDRESS]
    text = "\n\n".join(
        part
        for part in (
            f"Hello {name}," if name else "Hello,",
            *wording.paragraphs,
            f"Your {event_words(facts)} plan: {one_line(facts.plan_reference)}",
            f"Questions? Write to {support}." if support else "",
            "\n".join(line for line in closing if line),
        )
        if part
    )
    return ComposedText(
        subject=clean_subject(wording.headline), preview=_preview(text), text=f"{text}\n", degraded=degraded
    )


def _log_failure(error: Exception, version: TemplateVersion, facts: MessageFacts) -> None:
    """By code alone: the message of such an error quotes values."""
    codes = {UnresolvedVariableError: "unresolved_variable", WrongShapeError: "wrong_shape"}
    log.error(
        "template rendering failed",
        error_code=codes.get(type(error), type(error).__name__),
        message_type=facts.message_type,
        template_version=version.id,
    )


def _tidy(text: str) -> str:
    """Conditions leave empty lines behind: at most one stays."""
    lines: list[str] = []
    for line in text.splitlines():
        stripped = line.rstrip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return "\n".join(lines).rstrip("\n") + "\n"


def _preview(text: str) -> str:
    # The start is enough: nobody needs the whole text tidied for it. A text that is mostly blank is tidied further.
    line = one_line(text[: 2 * _PREVIEW_CHARACTERS])
    if len(line) <= _PREVIEW_CHARACTERS:
        line = one_line(text[: 10 * _PREVIEW_CHARACTERS])
    return line if len(line) <= _PREVIEW_CHARACTERS else line[: _PREVIEW_CHARACTERS - 1].rstrip() + "…"
