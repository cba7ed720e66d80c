"""What settings must be before the installation may start, apart from secrets. No Django settings are read here.

Everything raises ImproperlyConfigured with a sentence that names the setting and says what to write.
"""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import phonenumbers
from babel import Locale, UnknownLocaleError
from django.core.exceptions import ImproperlyConfigured

from core.errors import CrmError

_CURRENCY = re.compile(r"[A-Z]{3}")
# Short enough that a token fits into the 64 characters before the @ (RFC 5321 §4.5.3.1.1).
_REPLY_ADDRESS = re.compile(r"[A-Za-z0-9._-]{1,24}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_LOGO_BEGINNINGS: Final = {
    ".png": b"\x89PNG\r\n\x1a\n",
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
}
_LARGEST_LOGO: Final = 100 * 1024
# A comma inside an address, as in ?to=a,b, separates none.
_BETWEEN_ADDRESSES = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9]*://)")


def checked(name: str, value: str, parse: Callable[[str], object]) -> str:
    """`value` as it is, once `parse` takes it: a reader that raises ValueError or CrmError with a sentence."""
    try:
        parse(value)
    except CrmError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}. {error.detail}") from None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None
    return value


def parse_region(code: str) -> str:
    """An ISO 3166-1 alpha-2 code whose phone numbers are known. Raises ValueError."""
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(
            f"{code!r} is no country whose phone numbers are known; write two capital letters, as IN."
        )
    return code


def parse_currency(code: str) -> str:
    """The form of an ISO 4217 code; the list itself changes too often to be checked. Raises ValueError."""
    if not _CURRENCY.fullmatch(code):
        raise ValueError(f"{code!r} is not a currency; write three capital letters, as INR.")
    return code


def parse_locale(name: str) -> str:
    """A locale that dates and amounts can be written in. Raises ValueError."""
    try:
        Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"{name!r} is no known locale; write it as en_IN, en_GB or it_IT.") from None
    return name


def parse_logo(path: str) -> str:
    """A small PNG or JPEG that can be read; empty for none. Raises ValueError."""
    if not path:
        return path
    file, wanted = Path(path), _LOGO_BEGINNINGS.get(Path(path).suffix.lower())
    if wanted is None:
        raise ValueError(f"{path!r} is neither .png nor .jpg.")
    try:
        content = file.read_bytes()
    except OSError:
        raise ValueError(f"{path!r} cannot be read.") from None
    if not content.startswith(wanted):
        raise ValueError(f"{path!r} is not the kind of picture that its name says.")
    if len(content) > _LARGEST_LOGO:
        raise ValueError(f"{path!r} is larger than 100 KB, and every mail carries it. Make it smaller.")
    return path


def parse_reply_address(address: str) -> str:
    """An address that tokens can be added to; empty for none. Raises ValueError."""
    if address and not _REPLY_ADDRESS.fullmatch(address):
        raise ValueError(
            f"{address!r} is no address that a token can be added to; write it as replies@in.example.com, with at "
            "most 24 letters, digits, dots or dashes before the @."
        )
    return address


def whole_seconds(name: str, value: str) -> timedelta:
    """A length of time, at least one second."""
    if not value.isdecimal() or int(value) < 1:
        raise ImproperlyConfigured(f"{name} is {value!r}; write a whole number of seconds, as 120.")
    return timedelta(seconds=int(value))


def public_url(value: str, *, production: bool) -> str:
    """Scheme and host under which the installation is reached, without a slash at the end.

    Required and https in production: secure cookies, redirects and every link in a message follow from it.
    """
    example = "Write scheme and host, as https://crm.example.com."
    if not value:
        if production:
            raise ImproperlyConfigured(f"CRM_PUBLIC_URL is not set. {example}")
        return "http://localhost:8000"
    parts = urlsplit(value := value.rstrip("/"))
    bare = f"{parts.scheme}://{parts.netloc}" == value and "@" not in parts.netloc
    if not (bare and parts.hostname and parts.scheme in {"http", "https"}):
        raise ImproperlyConfigured(f"CRM_PUBLIC_URL is {value!r}, which is not scheme and host. {example}")
    if production and parts.scheme != "https":
        raise ImproperlyConfigured(
            f"CRM_PUBLIC_URL is {value!r}; in production it must begin with https://. {example}"
        )
    return value


def require_sender(*, host: str, from_email: str) -> None:
    """A mail server without a sender, or the other way round, is a channel that somebody forgot half of."""
    if bool(host) == bool(from_email):
        return
    given, missing = ("SMTP_HOST", "SMTP_FROM_EMAIL") if host else ("SMTP_FROM_EMAIL", "SMTP_HOST")
    raise ImproperlyConfigured(
        f"{given} is set and {missing} is not. Set both to send e-mail, or neither to leave it closed."
    )


def require_whole(*needed: tuple[str, str]) -> None:
    """A provider's account of which a part is missing is a channel that somebody forgot half of. `needed` are names and
    values; values, which may be secret, are not repeated."""
    missing = [name for name, value in needed if not value]
    if missing and len(missing) < len(needed):
        given = ", ".join(name for name, value in needed if value)
        raise ImproperlyConfigured(
            f"{given} is set and {', '.join(missing)} is not. Set all of them, or none to leave the channel closed."
        )


def optional_secret(value: str, name: str) -> str:
    """Empty, or long enough that nobody guesses it."""
    if value and len(value) < 24:
        raise ImproperlyConfigured(
            f"{name} is too short; write at least 24 characters that nobody can guess."
        )
    return value


def alert_urls(value: str) -> list[str]:
    """The addresses of services that take alerts, as apprise writes them, separated by spaces or commas.

    They may hold secrets, so the sentence about a wrong one does not repeat it.
    """
    urls = _BETWEEN_ADDRESSES.split(value.strip(" ,\n\t")) if value.strip(" ,\n\t") else []
    for position, url in enumerate(urls, start=1):
        if not _is_alert_url(url):
            raise ImproperlyConfigured(
                f"ADMIN_ALERT_URLS: address {position} of {len(urls)} is none that alerts can be sent to. "
                "Write it as apprise does, for example mailtos://USER:PASSWORD@HOST?to=ADDRESS; see "
                "https://appriseit.com."
            )
    return urls


def _is_alert_url(url: str) -> bool:
    # Loads a hundred plugins, which only an installation that alerts has to wait for.
    from apprise import Apprise

    log = logging.getLogger("apprise")
    log.disabled = True  # it repeats what it refuses
    try:
        return Apprise.instantiate(url) is not None
    finally:
        log.disabled = False
