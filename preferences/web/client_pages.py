"""What the pages of clients share: no login, no cookie, nothing that follows the reader; a signed link is the key."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template

from core.api.throttles import remote_address


def client_page(
    template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Drawn without the request, so that no cookie is set and nothing of the staff pages is asked."""
    html = get_template(template).render(dict(context or {}))
    # The address of such a page is a key: nobody who is linked from it learns it, nobody keeps it.
    return HttpResponse(
        html, status=status, headers={"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
    )


def broken_link() -> HttpResponse:
    return client_page("preferences/broken_link.html", status=404)


def ip_of(request: HttpRequest) -> str:
    address = remote_address(request)
    return str(address) if address is not None else ""
