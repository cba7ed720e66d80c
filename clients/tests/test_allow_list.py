"""CRM_RECIPIENT_ALLOW_LIST: what may be written in it, and whom it lets through."""

import pytest

from clients.allow_list import allow_list
from clients.choices import ContactKind


@pytest.mark.parametrize("text", ["", "  "])
def test_without_a_list_everybody_may_be_written_to(text):
    assert allow_list(text, "IN") is None


@pytest.mark.parametrize(
    ("address", "kind", "allowed"),
    [
        ("qa@example.com", ContactKind.EMAIL, True),
        ("other@example.com", ContactKind.EMAIL, False),
        ("anybody@staging.example", ContactKind.EMAIL, True),
        ("anybody@sub.staging.example", ContactKind.EMAIL, False),
        ("anybody@notstaging.example", ContactKind.EMAIL, False),
        ("anybody@xn--bcher-kva.example", ContactKind.EMAIL, True),
        ("+919812345678", ContactKind.PHONE, True),
        ("+919812345679", ContactKind.PHONE, False),
        ("qa@example.com", ContactKind.PHONE, False),
    ],
)
def test_whom_it_lets_through(address, kind, allowed):
    listed = allow_list(" QA@Example.com, @staging.example,@bücher.example, 98123 45678 ", "IN")
    assert listed.holds(address, kind) is allowed


@pytest.mark.parametrize(
    "text",
    ["nonsense", "@", "a@", "qa@example.com,,", "qa@example.com;x@example.com", "@two@at.example", "12", ","],
)
def test_what_is_no_recipient_is_named(text):
    with pytest.raises(ValueError, match=r"is no e-mail address, @domain or phone number\. Write them"):
        allow_list(text, "IN")
