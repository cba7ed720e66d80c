"""Attachments as callers send them: in the JSON as base64, as an address, or as a part of a multipart body."""

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from communications.connectors.files.fetcher import MAX_URL
from communications.rules.files import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_MESSAGE_BYTES,
    MEGABYTE,
    FileRefused,
    check_size,
)
from communications.services.commands import GivenAttachment
from core.api.fields import StrictCharField, StrictSerializer

_MAX_NAME: Final = 255
_SOURCES: Final = ("content_base64", "url", "part")
_SPACE: Final = re.compile(r"[\r\n\t ]+")
# What stands for a content where only its being the same matters. No base64 has a colon.
_DIGEST: Final = "sha256:"


@dataclass(frozen=True)
class Part:
    """A file of a multipart body, put where the JSON refers to it."""

    name: str
    filename: str
    content: bytes = field(repr=False)


class AttachmentSerializer(StrictSerializer):
    """One file: a PDF, PNG or JPEG of up to 10 MB, told by its content. Give exactly one of content_base64, url and
    part."""

    filename = StrictCharField(
        required=False,
        allow_null=True,
        max_length=_MAX_NAME,
        help_text="As the client will see it, with the ending of what it is; of a path, the last part.",
    )
    content_base64 = StrictCharField(required=False, allow_null=True, trim_whitespace=False)
    url = StrictCharField(
        required=False,
        allow_null=True,
        max_length=MAX_URL,
        help_text="https, reachable from anywhere. Fetched at once, within 15 seconds.",
    )
    part = StrictCharField(
        required=False,
        allow_null=True,
        max_length=_MAX_NAME,
        help_text="The name of a part of this multipart body.",
    )

    def to_internal_value(self, data: Any) -> GivenAttachment:
        if isinstance(data, Part):
            return _given(content=data.content, filename=data.filename, source="part")
        checked: dict[str, Any] = super().to_internal_value(data)
        sources = [name for name in _SOURCES if checked.get(name) is not None]
        if len(sources) != 1:
            raise ValidationError(
                {
                    "non_field_errors": [
                        ErrorDetail("Give exactly one of content_base64, url and part.", "one_source")
                    ]
                }
            )
        source, filename = sources[0], checked.get("filename")
        if source == "url":
            return GivenAttachment(where=source, filename=filename, url=checked["url"].strip())
        if source == "part":
            raise _wrong(
                source, "no_such_part", "There is no file of this name in the body. Name one of its parts."
            )
        return _given(content=_decoded(checked["content_base64"]), filename=filename, source=source)


def _given(*, content: bytes, filename: str | None, source: str) -> GivenAttachment:
    try:
        check_size(len(content))
    except FileRefused as refusal:
        raise _wrong(source, refusal.code, refusal.detail) from refusal
    return GivenAttachment(where=source, filename=filename, content=content)


def _decoded(text: str) -> bytes:
    text = _SPACE.sub("", text)
    if len(text) * 3 // 4 > MAX_FILE_BYTES + 3:
        return b"\0" * (MAX_FILE_BYTES + 1)  # too large, whatever it says
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (ValueError, binascii.Error):
        sentence = "This is not base64 (RFC 4648 §4). Send the content alone, without data: in front of it."
        raise _wrong("content_base64", "invalid_base64", sentence) from None


def _wrong(source: str, code: str, sentence: str) -> ValidationError:
    return ValidationError({source: [ErrorDetail(sentence, code)]})


def attachments_field(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=AttachmentSerializer(),
        required=False,
        allow_null=True,
        max_length=MAX_FILES,
        help_text=(
            f"Files that go with the message: at most {MAX_FILES}, of {MAX_FILE_BYTES // MEGABYTE} MB each and "
            f"{MAX_MESSAGE_BYTES // MEGABYTE} MB together."
        ),
        **options,
    )


def given_attachments(form: Mapping[str, Any]) -> tuple[GivenAttachment, ...]:
    """The attachments of a form that was checked, each with its place."""
    return tuple(
        replace(each, where=f"attachments.{place}.{each.where}")
        for place, each in enumerate(form.get("attachments") or ())
    )


def with_digests(body: Any) -> Any:
    """The body with digests in the place of files: small, JSON, and the same for the same files. Of such a body the
    same one comes out."""
    if not isinstance(body, Mapping) or not isinstance(body.get("attachments"), list):
        return body
    return {**body, "attachments": [_with_digest(each) for each in body["attachments"]]}


def _with_digest(given: Any) -> Any:
    if isinstance(given, Part):
        return {"filename": given.filename, "content_base64": _DIGEST + sha256(given.content).hexdigest()}
    content = given.get("content_base64") if isinstance(given, Mapping) else None
    if not isinstance(content, str) or content.startswith(_DIGEST):
        return given
    return {**given, "content_base64": _DIGEST + sha256(content.encode()).hexdigest()}
