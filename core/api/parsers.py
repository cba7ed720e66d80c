from collections.abc import Mapping
from itertools import islice
from typing import IO, Any

from rest_framework.parsers import BaseParser

from core.api.strict_json import parse_json, parse_json_lines
from core.errors import TooLarge

MEGABYTE = 1024 * 1024
DEFAULT_MAX_BODY_BYTES = 1 * MEGABYTE


class StrictJSONParser(BaseParser):
    """JSON up to the view's `max_body_bytes`. Never reads further than one byte past it."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], _media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Raises TooLarge or Malformed."""
        return parse_json(read_body(stream, parser_context or {}))


class JsonLinesParser(BaseParser):
    """One JSON value a line, up to the view's `max_body_bytes` and one line more than its `max_items`: the view
    says what is wrong with so many. A line that cannot be read is there as the error that it raises."""

    media_type = "application/x-ndjson"

    def parse(
        self, stream: IO[Any], _media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Raises TooLarge."""
        context = parser_context or {}
        most = getattr(context.get("view"), "max_items", 0)
        return list(islice(parse_json_lines(read_body(stream, context)), most + 1))


class RawParser(BaseParser):
    """The body as it came, whatever its type, up to the view's `max_body_bytes`: signatures are made over it."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], _media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Bytes. Raises TooLarge."""
        return read_body(stream, parser_context or {})


def read_body(stream: IO[Any], context: Mapping[str, Any]) -> bytes:
    """The whole body, never further than one byte past the view's `max_body_bytes`. Raises TooLarge."""
    limit = getattr(context.get("view"), "max_body_bytes", DEFAULT_MAX_BODY_BYTES)
    request = context.get("request")
    announced = request.META.get("CONTENT_LENGTH") if request is not None else None
    if announced and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    raw: bytes = stream.read(limit + 1)
    if len(raw) > limit:
        raise _too_large(limit)
    return raw


def _too_large(limit: int) -> TooLarge:
    return TooLarge(code="too_large", detail=f"The body is larger than {limit / MEGABYTE:g} MB. Send less.")
