from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from backoffice.selectors.providers import read_standstill


def standstill(_request: HttpRequest) -> dict[str, Any]:
    """Context processor: what the banner across every staff page tells. Nothing is asked where no banner is drawn."""
    return {"standstill": SimpleLazyObject(read_standstill)}
