"""Signed, opaque links for clients: a few bytes and a MAC, made and read without the database.

Keys are LINK_SIGNING_KEYS, apart from SECRET_KEY, so that links outlive sessions: the first signs, all are accepted.
Making one costs one HMAC.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

# 128 bits: nobody guesses one, and links stay short enough for a line of a mail.
_MAC_BYTES: Final = 16
_LONGEST: Final = 256


class LinkRefused(Exception):
    """Not a link of ours for this purpose: cut short, changed, made for something else, or of a key that is gone."""


def make_link_token(purpose: str, payload: bytes) -> str:
    """`payload` as text for a URL. It is signed, not hidden: put no personal data in."""
    mac = _mac(_keys(purpose)[0], payload)
    return urlsafe_b64encode(payload + mac).rstrip(b"=").decode("ascii")


def read_link_token(purpose: str, token: str) -> bytes:
    """The payload of a token that was made for this purpose. Raises LinkRefused."""
    if len(token) > _LONGEST:
        raise LinkRefused
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise LinkRefused from error
    payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    # One form only: base64 takes texts that differ in what it does not read.
    if urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != token:
        raise LinkRefused
    if not payload or not any(hmac.compare_digest(_mac(key, payload), mac) for key in _keys(purpose)):
        raise LinkRefused
    return payload


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, "sha256")[:_MAC_BYTES]


def _keys(purpose: str) -> tuple[bytes, ...]:
    return _derived(tuple(settings.LINK_SIGNING_KEYS), purpose)


@lru_cache(maxsize=32)
def _derived(masters: tuple[str, ...], purpose: str) -> tuple[bytes, ...]:
    """A key of its own for each purpose, so that a link of one never opens another."""
    info = b"crm link " + purpose.encode()
    return tuple(
        HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master.encode())
        for master in masters
    )
