"""The texts for phones: every type has one, none asks for what it cannot have, and each fits (MSG-6, EML-8)."""

from pathlib import Path
from typing import Any

import pytest

from communications.agents import messaging
from communications.agents.messaging import VALUE_NAMES, compose_message
from communications.agents.rendering import names_used
from communications.choices import MessageType
from communications.rules.segments import Encoding, measure
from communications.tests.templates.examples import facts
from core.choices import Channel

PHONE_CHANNELS = [Channel.SMS, Channel.WHATSAPP]
LINK = "https://planiva.example/s/Qm3xYt81LkPz"


@pytest.mark.parametrize("channel", PHONE_CHANNELS)
@pytest.mark.parametrize("name", [*MessageType, messaging.GENERIC])
def test_every_type_has_a_text_that_asks_for_known_values_only(channel: Channel, name: str) -> None:
    texts = messaging._texts(channel, name)
    assert texts
    assert {used for text in texts for used in names_used(text)} <= VALUE_NAMES


@pytest.mark.parametrize("message_type", list(MessageType))
@pytest.mark.parametrize("link", ["", LINK])
@pytest.mark.parametrize(
    "person",
    [
        "Priya Sharma",
        "Maximiliane-Alexandra von Hohenstein-Wittgenstein zu Sayn",
        "प्रिया शर्मा",
        "Zoë",
        "😀" * 40,
        "",
    ],
)
def test_an_sms_is_one_segment(message_type: MessageType, link: str, person: str) -> None:
    variables: dict[str, Any] = {"link": link, "message": "Please call the florist. " * 20}
    composed = compose_message(
        facts(message_type=message_type, client_name=person, variables=variables), Channel.SMS
    )
    length = measure(composed.text)
    assert length.fits_one
    assert composed.degraded == ""
    assert composed.text.endswith(link)
    if person in {"Priya Sharma", ""}:
        assert length.encoding is Encoding.GSM
    assert "  " not in composed.text
    assert "{" not in composed.text


@pytest.mark.parametrize("channel", PHONE_CHANNELS)
def test_a_type_without_a_text_gets_the_general_one(
    channel: Channel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / channel.value).mkdir()
    (tmp_path / channel.value / "generic.txt").write_text("{{ headline }}.")
    monkeypatch.setattr(messaging, "_CONTENT", tmp_path)
    messaging._texts.cache_clear()
    try:
        composed = compose_message(facts(message_type="welcome"), channel)
        assert (composed.text, composed.degraded) == ("Your wedding plan is open.", "template_missing")
        (tmp_path / channel.value / "welcome.txt").write_text("{{ nobody_knows }}")
        messaging._texts.cache_clear()
        composed = compose_message(facts(message_type="welcome"), channel)
    finally:
        messaging._texts.cache_clear()
    assert composed.degraded == "rendering_failed"
    assert composed.text.startswith("Planiva Event Planning: Your wedding plan is open")


def test_whatsapp_says_more_and_stays_within_its_limit() -> None:
    variables = {"message": "word " * 3000, "link": LINK}
    composed = compose_message(facts(message_type=MessageType.CUSTOM, variables=variables), Channel.WHATSAPP)
    assert len(composed.text) <= 4096
    assert composed.text.endswith("word...")
    options = compose_message(
        facts(message_type=MessageType.VENDOR_OPTIONS, variables=variables), Channel.WHATSAPP
    )
    assert LINK in options.text
