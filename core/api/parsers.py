from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from core.api.strict_json import parse_json
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
        context = parser_context or {}
        limit = getattr(context.get("view"), "max_body_bytes", DEFAULT_MAX_BODY_BYTES)
        request = context.get("request")
        announced = request.META.get("CONTENT_LENGTH") if request is not None else None
        if announced and announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise _too_large(limit)
        return parse_json(raw)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(code="too_large", detail=f"The body is larger than {limit / MEGABYTE:g} MB. Send less.")
