"""Answers find the communication that they answer (tokenised Reply-To)."""

from uuid import UUID

import pytest
from pytest_django import Settings

from communications.agents.reply_address import communication_answered, reply_address

COMMUNICATION = UUID("01234567-89ab-cdef-0123-456789abcdef")


@pytest.fixture(autouse=True)
def configured(settings: Settings) -> None:
    settings.CRM_REPLY_ADDRESS = "replies@in.planiva.example"


def test_address_leads_back_to_its_communication() -> None:
    address = reply_address(COMMUNICATION)

    assert address.startswith("replies+")
    assert len(address.partition("@")[0]) <= 64
    assert communication_answered(address) == COMMUNICATION
    assert communication_answered(f" {address.upper()} ") == COMMUNICATION


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "replies@in.planiva.example",
        "replies+@in.planiva.example",
        "replies+abc@in.planiva.example",
        "replies+!!!@in.planiva.example",
        "other+{token}@in.planiva.example",
        "replies+{token}@elsewhere.example",
        "replies+{token}a@in.planiva.example",
        "replies+a{token}@in.planiva.example",
    ],
)
def test_other_addresses_lead_nowhere(foreign: str) -> None:
    token = reply_address(COMMUNICATION).partition("+")[2].partition("@")[0]

    assert communication_answered(foreign.format(token=token)) is None


def test_a_changed_token_leads_nowhere() -> None:
    address = reply_address(COMMUNICATION)
    for place in range(len("replies+"), address.index("@") - 1):
        swapped = "a" if address[place] != "a" else "b"
        assert communication_answered(address[:place] + swapped + address[place + 1 :]) is None


def test_without_the_setting_answers_go_to_the_sender(settings: Settings) -> None:
    settings.CRM_REPLY_ADDRESS = ""

    assert reply_address(COMMUNICATION) == ""
    assert communication_answered("+abc@") is None
