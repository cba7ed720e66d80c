"""What Twilio refuses of a request, in its order, with its code and HTTP status (twilio.com/docs/api/errors)."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sandbox.credentials import TWILIO_PHONE_NUMBER

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST_BODY = 1600
_STATUS_OF = {20003: 401, 20404: 404, 20429: 429, 20500: 500, 20503: 503}
_WORDS = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid From Number (caller ID)",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number.",
    21609: "The 'StatusCallback' URL is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
}
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


def http_status(code: int) -> int:
    return _STATUS_OF.get(code, 400)


def words(code: int, number: str = "") -> str:
    """Twilio quotes numbers in some of its sentences."""
    said = _WORDS.get(code, "The request was refused.")
    return f"{said} {number}" if number and code in {21211, 21614} else said


def problem(form: Mapping[str, str], opted_out: frozenset[str]) -> int | None:
    """The code of the first thing wrong with a message, None when Twilio takes it."""
    to, sender = form.get("To", ""), form.get("From", "")
    callback = form.get("StatusCallback", "")
    checks = (
        (not to, 21604),
        (not E164.fullmatch(to), 21211),
        (not sender and not form.get("MessagingServiceSid"), 21603),
        (bool(sender) and not E164.fullmatch(sender), 21212),
        (bool(sender) and sender != TWILIO_PHONE_NUMBER, 21606),
        (not (form.get("Body") or form.get("MediaUrl") or form.get("ContentSid")), 21602),
        (len(form.get("Body", "")) > LONGEST_BODY, 21617),
        (bool(callback) and urlsplit(callback).scheme not in {"http", "https"}, 21609),
        (to in opted_out, 21610),
    )
    return next((code for wrong, code in checks if wrong), None)


def segments(text: str) -> int:
    """As Twilio counts and bills them."""
    if all(character in _GSM or character in _GSM_EXTENDED for character in text):
        size, single, part = sum(1 + (character in _GSM_EXTENDED) for character in text), 160, 153
    else:
        size, single, part = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if size <= single else -(-size // part)
