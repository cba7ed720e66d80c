"""The company's logo, carried in each mail: it shows where pictures from outside are not loaded, and tells nobody that
the mail was opened."""

from base64 import b64encode
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from communications.agents.mime import MailPart

LOGO_ID = "logo"
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def logo() -> MailPart | None:
    """None without CRM_LOGO: then the company's name stands in its place. Read once; the settings checked the file."""
    return _read(settings.CRM_LOGO) if settings.CRM_LOGO else None


@lru_cache(maxsize=1)
def _read(path: str) -> MailPart:
    file = Path(path)
    return MailPart(
        f"logo{file.suffix.lower()}", _TYPES[file.suffix.lower()], file.read_bytes(), inline_id=LOGO_ID
    )


def with_logo_inside(html: str) -> str:
    """The HTML for a browser, where no part of a mail can be referred to."""
    part = logo()
    if part is None:
        return html
    return html.replace(
        f"cid:{LOGO_ID}", f"data:{part.content_type};base64,{b64encode(part.content).decode('ascii')}"
    )
