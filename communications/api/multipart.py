"""multipart/form-data (RFC 7578): the JSON in one part, files in others, which the JSON refers to by their names.

Kept in memory as the other bodies are: what a client's file says is never written to a disk in clear.
"""

from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import islice
from typing import IO, Any, Final

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework import serializers
from rest_framework.parsers import BaseParser

from communications.api.attachment_fields import Part
from core.api.parsers import read_body
from core.api.strict_json import parse_json, parse_json_lines
from core.errors import Malformed

ONE: Final = "request"
MANY: Final = "requests"


class RequestPartsSerializer(serializers.Serializer[Any]):
    """For the schema: what the parts are."""

    request = serializers.CharField(help_text="The JSON of the request.")
    file = serializers.FileField(
        required=False,
        help_text="Any number of files, each a part with a name of its own. The JSON may refer to one by "
        '`{"part": NAME, "filename": …}`; what it does not refer to is attached as it is.',
    )


class ManyRequestPartsSerializer(serializers.Serializer[Any]):
    """For the schema: what the parts are."""

    requests = serializers.CharField(help_text="The requests, as a JSON list or one JSON object a line.")
    file = serializers.FileField(
        required=False,
        help_text="Any number of files, each a part with a name of its own, that requests refer to by "
        '`{"part": NAME, "filename": …}`.',
    )


class _Body(MultiPartParser):
    def sanitize_file_name(self, file_name: str) -> str:
        """As it came: `rules.files` cleans it. Django would leave a part out whose name it cannot use."""
        return file_name


class _InMemory(FileUploadHandler):
    """The body was bounded before."""

    def new_file(self, *args: Any, **options: Any) -> None:
        super().new_file(*args, **options)
        self._chunks: list[bytes] = []

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002 - Django's signature
        self._chunks.append(raw_data)

    def file_complete(self, file_size: int) -> Any:  # noqa: ARG002 - Django's signature
        return Part(self.field_name or "", self.file_name or "", b"".join(self._chunks))


class RequestPartsParser(BaseParser):
    """The JSON of the part `request`, or `requests` where a view takes many, with the files put where it refers to
    them by `{"part": NAME}`. Files that one request does not refer to are attached as they come."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Raises TooLarge and Malformed."""
        context = parser_context or {}
        raw = read_body(stream, context)
        fields, parts = _read(raw, media_type or self.media_type)
        most = getattr(context.get("view"), "max_items", None)
        name = ONE if most is None else MANY
        if name not in fields:
            raise Malformed(f"Send the JSON in a part named {name}.", code="part_missing")
        if most is None:
            body = parse_json(fields[name])
            unused = _put_in([body], parts)
            return _with_rest(body, unused)
        items = _items(fields[name], most)
        unused = _put_in(items, parts)
        if unused:
            raise Malformed(
                "A file of the body belongs to no request. Refer to each by its part’s name.",
                code="part_unused",
            )
        return items


def _read(raw: bytes, content_type: str) -> tuple[dict[str, bytes], dict[str, Part]]:
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(raw))}
    try:
        fields, files = _Body(meta, BytesIO(raw), [_InMemory()], settings.DEFAULT_CHARSET).parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError):
        raise Malformed(
            "The multipart body cannot be read. Check its boundary.", code="invalid_multipart"
        ) from None
    repeated = [name for name, values in (*fields.lists(), *files.lists()) if len(values) > 1]
    if repeated:
        raise Malformed("Two parts have one name. Give each its own.", code="part_repeated")
    return (
        {name: str(value).encode() for name, value in fields.items()},
        {name: part for name, part in files.items() if isinstance(part, Part)},
    )


def _items(raw: bytes, most: int) -> list[Any]:
    if raw.lstrip()[:1] == b"[":
        items = parse_json(raw)
        return list(items)
    return list(islice(parse_json_lines(raw), most + 1))


def _put_in(bodies: list[Any], parts: Mapping[str, Part]) -> list[Part]:
    """Puts the files into the lists of attachments that refer to them; returns those that none refers to."""
    used = set()
    for attachments in _lists(bodies):
        for place, given in enumerate(attachments):
            name = given.get("part") if isinstance(given, dict) else None
            if isinstance(name, str) and name in parts and given.keys() <= {"part", "filename"}:
                used.add(name)
                attachments[place] = _renamed(parts[name], given.get("filename"))
    return [part for name, part in parts.items() if name not in used]


def _lists(bodies: list[Any]) -> Iterator[list[Any]]:
    for body in bodies:
        attachments = body.get("attachments") if isinstance(body, dict) else None
        if isinstance(attachments, list):
            yield attachments


def _renamed(part: Part, filename: Any) -> Part:
    return Part(part.name, filename, part.content) if isinstance(filename, str) else part


def _with_rest(body: Any, unused: list[Part]) -> Any:
    given = body.get("attachments") if isinstance(body, dict) else None
    if not unused or not isinstance(body, dict) or not (given is None or isinstance(given, list)):
        return body
    return {**body, "attachments": [*(given or []), *unused]}
