"""A request comes in, a real e-mail goes out (EML-1, EML-10)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from tests.running_stack import RunningStack, eventually

pytestmark = pytest.mark.stack

ZONE = ZoneInfo("Pacific/Auckland")
ADDRESS = "aroha.ngata@clients.example"
REQUEST = {
    "plan_id": "main-job-plan",
    "client_id": "main-job-client",
    "message_type": "welcome",
    "urgency": "critical",
    "context": {
        "client_name": "Aroha Ngāta",
        "client_email": ADDRESS,
        "event_type": "wedding",
        "event_date": "2031-12-15",
        "guest_count": 40,
        "location": "Auckland <Waterfront>",
    },
    "client": {"name": "Aroha Ngāta", "email": ADDRESS, "timezone": ZONE.key},
}


@dataclass(frozen=True)
class Done:
    answer: dict[str, Any]
    detail: dict[str, Any]
    caught: dict[str, Any]
    mail: EmailMessage

    def part(self, kind: str) -> str:
        found = self.mail.get_body((kind,))
        assert found is not None, f"no {kind} part"
        return str(found.get_content())


@pytest.fixture(scope="module")
def done(stack: RunningStack) -> Done:
    answer = stack.request(REQUEST, wait=10)
    caught = eventually(lambda: stack.mails_to(ADDRESS), what="The mail")[0]
    detail = stack.communication(answer["communication_id"])
    return Done(answer, detail, caught, stack.parsed_mail(caught["id"]))


def parts(done: Done) -> Iterator[str]:
    yield str(done.mail["Subject"])
    yield done.part("plain")
    yield done.part("html")


def test_waiting_gives_the_end_of_it(done: Done) -> None:
    assert done.answer["http_status"] == 202
    assert done.answer["status"] == "sent"
    assert done.answer["channel_used"] == "email"
    assert done.answer["sent_at"]


def test_an_urgent_message_goes_at_once(done: Done, capsys: pytest.CaptureFixture[str]) -> None:
    accepted = datetime.fromisoformat(done.detail["created_at"])
    caught = datetime.fromisoformat(done.caught["received_at"])
    seconds = (caught - accepted).total_seconds()
    with capsys.disabled():
        print(f"\naccepted → caught: {seconds * 1000:.0f} ms")
    assert seconds < 10, "later than a sweep after a wake-up that got lost"


def test_from_to_and_message_id_are_ours(done: Done) -> None:
    sender, recipient = done.mail["From"].addresses[0], done.mail["To"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("Planiva Event Planning", "hello@planiva.example")
    assert (recipient.display_name, recipient.addr_spec) == ("Aroha Ngāta", ADDRESS)
    assert (done.caught["from"], done.caught["to"]) == ("hello@planiva.example", [ADDRESS])
    [attempt] = done.detail["attempts"]
    assert done.mail["Message-ID"] == attempt["message_id"]
    assert done.mail["Message-ID"].endswith("@planiva.example>")


def test_subject_is_the_stored_one(done: Done) -> None:
    assert done.mail["Subject"] == done.detail["subject"] == done.answer["metadata"]["subject"]
    assert "Aroha Ngāta" in done.mail["Subject"]


def test_two_parts_text_first(done: Done) -> None:
    assert done.mail.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in done.mail.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    for part in ("plain", "html"):
        assert "Aroha Ngāta" in done.part(part)
        assert "Monday, 15 December 2031" in done.part(part)
    assert "Auckland <Waterfront>" in done.part("plain")
    assert "Auckland &lt;Waterfront&gt;" in done.part("html")
    assert done.part("plain").splitlines() == done.detail["content"]["text"].splitlines()


def test_welcome_names_the_plan_the_next_steps_and_how_long_it_takes(done: Done) -> None:
    for part in ("plain", "html"):
        for said in (REQUEST["plan_id"], "What happens next", "How long it takes"):
            assert said in done.part(part)


def test_html_fits_a_telephone(done: Done) -> None:
    html = done.part("html")
    assert re.search(r'<meta name="viewport" content="width=device-width', html)
    assert re.search(r"@media[^{]*\b(min|max)-width", html)
    assert not re.search(r"<(script|iframe|form|link)\b", html)


def test_times_are_the_clients_with_the_zone_named(done: Done) -> None:
    date = parsedate_to_datetime(done.mail["Date"])
    assert date.utcoffset() == date.astimezone(ZONE).utcoffset()
    opened = datetime.fromisoformat(done.detail["created_at"]).astimezone(ZONE)
    line = f"{opened:%a} {opened.day} {opened:%b %Y, %H:%M} ({ZONE.key})"
    assert line in done.part("plain")
    assert line in done.part("html")


def test_no_tag_is_left_over(done: Done) -> None:
    for part in parts(done):
        assert not re.search(r"\{\{|\}\}|\{%|%\}|\bNone\b|\bundefined\b", part)


def test_no_foreign_host(done: Done, stack: RunningStack) -> None:
    own = urlsplit(stack.facts["url"]).netloc
    for part in parts(done):
        hosts = {urlsplit(url).netloc for url in re.findall(r"(?:https?:)?//[\w.-][^\s\"'<>)]*", part)}
        assert hosts <= {own}
    assert not re.search(r"""\s(src|background|srcset)\s*=\s*["']?[^"'\s]|url\(|@import""", done.part("html"))


def test_a_repeat_is_a_duplicate_and_no_second_mail(done: Done, stack: RunningStack) -> None:
    repeated = stack.request(REQUEST, wait=5)
    assert repeated["http_status"] == 200
    assert repeated["duplicate"] is True
    assert repeated["communication_id"] == done.answer["communication_id"]
    later = stack.request({**REQUEST, "plan_id": "main-job-plan-2"}, wait=10)
    assert later["status"] == "sent", "what came after the repeat is out, so the repeat would be too"
    subjects = [mail["message_id"] for mail in stack.mails_to(ADDRESS)]
    assert subjects.count(done.mail["Message-ID"]) == 1
    assert len(subjects) == 2
