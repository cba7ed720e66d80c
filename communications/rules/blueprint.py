"""What a blueprint_delivery needs of the blueprint (api.md, Context shapes): its text, a PDF, or where a PDF is."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from communications.rules.context import can_be_read
from communications.rules.files import PDF, AttachedFile
from core.errors import FieldProblem

TEXT: Final = "final_blueprint"
URL: Final = "blueprint_url"
# About a hundred pages. What is longer comes as a PDF.
MAX_TEXT: Final = 200_000


def has_pdf(files: Iterable[AttachedFile]) -> bool:
    return any(each.media_type == PDF for each in files)


def text_of(variables: Mapping[str, Any]) -> str | None:
    """The blueprint's text, or None where nobody could read anything."""
    text = variables.get(TEXT)
    return text if isinstance(text, str) and can_be_read(text) else None


def url_of(variables: Mapping[str, Any]) -> str | None:
    url = variables.get(URL)
    return url.strip() if isinstance(url, str) and url.strip() else None


def blueprint_problems(variables: Mapping[str, Any], *, comes_as_pdf: bool) -> list[FieldProblem]:
    """What is wrong or missing. `comes_as_pdf`: there is a PDF of it, whatever its text."""
    text = variables.get(TEXT)
    if text is not None and not isinstance(text, str):
        return [_problem(TEXT, "wrong_type", "Send the blueprint as a text (Markdown or plain).")]
    if text is not None and len(text) > MAX_TEXT:
        return [
            _problem(
                TEXT, "too_long", f"Use at most {MAX_TEXT:,} characters, or attach the blueprint as a PDF."
            )
        ]
    url = variables.get(URL)
    if url is not None and not isinstance(url, str):
        return [_problem(URL, "wrong_type", "Send the address as a text (a JSON string).")]
    if comes_as_pdf or text_of(variables) is not None:
        return []
    return [
        _problem(
            TEXT,
            "missing_blueprint",
            "The blueprint itself is missing. Send its text as final_blueprint, a PDF in attachments, or the "
            "address of a PDF as blueprint_url.",
        )
    ]


def _problem(name: str, code: str, message: str) -> FieldProblem:
    return FieldProblem(f"context.{name}", code, message)
