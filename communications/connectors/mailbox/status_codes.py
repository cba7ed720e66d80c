"""The codes of delivery reports in our outcome classes (RFC 3463, RFC 3464).

A report of failure is final: the servers on the way have tried already. So a temporary code blames the recipient
weakly, and 5.7.x, which is about the sender, never (providers.md §Email).
"""

import re
from typing import Final

from communications.choices import OutcomeClass
from communications.connectors.smtp.replies import Stage, classify

_ENHANCED: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_SMTP: Final = re.compile(r"(?<![\d.])([245]\d\d)[ -]+(?:\1[ -]+)?([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_BASIC: Final = re.compile(r"^\s*smtp\s*;\s*([245]\d\d)\b", re.IGNORECASE)
_SAYS_NOTHING: Final = re.compile(r"[245]\.0\.0")


def code_of(status: str, diagnostic: str) -> str:
    """`550 5.1.1` of the Status field and the SMTP reply in Diagnostic-Code; the reply only where Status says nothing
    in particular. Of anything else the codes alone."""
    enhanced = _ENHANCED.search(status)
    code = ".".join(enhanced.groups()) if enhanced else ""
    smtp = diagnostic if re.match(r"\s*smtp\s*;", diagnostic, re.IGNORECASE) else ""
    quoted = _SMTP.search(smtp)
    if quoted and (not code or _SAYS_NOTHING.fullmatch(code)):
        code = quoted[2]
    basic = _BASIC.match(smtp)
    # A reply of another family contradicts the Status, which counts.
    return f"{basic[1]} {code}".strip() if basic and (not code or basic[1][0] == code[0]) else code


def find_code(prose: str) -> tuple[str, str]:
    """The first SMTP reply with its enhanced code that a text quotes, and the line that it stands in."""
    found = _SMTP.search(prose)
    if found is None:
        return "", ""
    start = prose.rfind("\n", 0, found.start()) + 1
    end = prose.find("\n", found.end())
    return f"{found[1]} {found[2]}", prose[start : end if end >= 0 else len(prose)]


def class_of(code: str) -> OutcomeClass:
    """Of a mail that came back for good. Total: a code that says nothing blames the recipient weakly."""
    basic, _, enhanced = code.rpartition(" ")
    outcome = classify(int(basic) if basic.isdigit() else 550, enhanced, Stage.RCPT)
    return OutcomeClass.WEAK_RECIPIENT if outcome is OutcomeClass.TRANSIENT else outcome
