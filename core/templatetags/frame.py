"""Words, times and the company's name, as the page components show them."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.utils import timezone

register = template.Library()

_CHANNEL_WORDS: Final = {"email": "e-mail", "sms": "SMS", "whatsapp": "WhatsApp"}


@register.simple_tag
def company_name() -> str:
    """From the settings, not the context: error pages are drawn without one."""
    name: str = settings.CRM_COMPANY_NAME
    return name


@register.simple_tag
def company_address() -> str:
    address: str = settings.CRM_POSTAL_ADDRESS
    return address


@register.simple_tag
def support_email() -> str:
    address: str = settings.CRM_SUPPORT_EMAIL
    return address


@register.filter
def status_word(status: str) -> str:
    """`in_doubt` → "in doubt"."""
    return str(status).replace("_", " ")


@register.filter
def channel_word(channel: str) -> str:
    return _CHANNEL_WORDS.get(str(channel), str(channel))


@register.filter
def city(zone: tzinfo | str) -> str:
    """What people call a zone: Asia/Kolkata → "Kolkata"."""
    return str(zone).rpartition("/")[2].replace("_", " ")


@register.simple_tag
def local_time(at: datetime, zone: tzinfo | str | None = None) -> dict[str, str]:
    """An instant for people: `shown` in `zone` (a client's; else the viewer's), with its city, and `yours`
    where the viewer's clock shows something else."""
    viewer = timezone.get_current_timezone()
    theirs = viewer if zone is None or zone == "" else zone if isinstance(zone, tzinfo) else ZoneInfo(zone)
    local, own = at.astimezone(theirs), at.astimezone(viewer)
    differs = local.utcoffset() != own.utcoffset()
    same_day = local.date() == own.date()
    return {
        "iso": at.isoformat(timespec="seconds"),
        "shown": _day_and_time(local, year=local.year != timezone.localtime().year),
        "city": city(theirs) if zone else "",
        "yours": "" if not differs else f"{own:%H:%M}" if same_day else f"{own:%a %H:%M}",
    }


def _day_and_time(at: datetime, *, year: bool) -> str:
    """`Tue 12 May, 09:00`; with the year where it is not this one."""
    return (
        f"{at:%a} {at.day} {at:%b}{at: %Y}, {at:%H:%M}" if year else f"{at:%a} {at.day} {at:%b}, {at:%H:%M}"
    )


@register.filter
def get(values: Mapping[str, str], name: str) -> str:
    return values.get(name, "")
