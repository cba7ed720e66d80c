"""Reading pages from the outside."""

import html
import re
from html.parser import HTMLParser

from django.test import Client


class _ActiveParts(HTMLParser):
    """Collects what would act or style by itself inside a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "style" or (tag == "script" and not (given.get("src") or "").startswith("/static/")):
            self.found.append(tag)
        for name, value in attributes:
            active = name.startswith(("on", "hx-on")) or name in {"style", "srcdoc"}
            if active or (value or "").strip().lower().startswith(("javascript:", "js:")):
                self.found.append(f"{tag} {name}")


def words_of(response):
    """What a person reads: without tags, spaces put together."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def assert_inert(response):
    """No script, style or handler inside the page, which its policy would refuse."""
    parts = _ActiveParts()
    parts.feed(response.content.decode())
    assert parts.found == []
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def directives(response):
    parts = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return {part[0]: part[1:] for part in parts if part}


def assert_login_and_back(path):
    response = Client().get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=/")
