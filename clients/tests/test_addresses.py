from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.addresses import address_index, mask, normalise_email, normalise_phone
from clients.choices import ContactKind
from core.errors import Invalid


@pytest.mark.parametrize(
    ("given_address", "normal"),
    [
        pytest.param(" Priya@Example.COM ", "priya@example.com", id="case and blanks"),
        pytest.param("anna@Bücher.example", "anna@xn--bcher-kva.example", id="IDNA"),
        pytest.param("a+tag@example.com", "a+tag@example.com", id="tags stay"),
    ],
)
def test_equal_mail_addresses_have_one_form(given_address: str, normal: str) -> None:
    assert normalise_email(given_address, field="email") == normal


@pytest.mark.parametrize(
    "wrong", ["priya.sharma", "@planiva.example", "a@b", "a b@example.com", "a@exa mple.com", "ü@example.com"]
)
def test_what_is_no_mail_address_is_refused_with_a_sentence(wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalise_email(wrong, field="client.email")
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("client.email", "invalid_email")
    assert wrong not in problem.message


@pytest.mark.parametrize(
    ("given_number", "normal"),
    [
        pytest.param("+91 98765 43210", "+919876543210", id="spaces"),
        pytest.param("098765 43210", "+919876543210", id="national, with the installation's region"),
        pytest.param("+39 06 1234 5678", "+390612345678", id="another country"),
    ],
)
def test_equal_numbers_have_one_form(given_number: str, normal: str) -> None:
    assert normalise_phone(given_number, region="IN", field="phone") == normal


@pytest.mark.parametrize("wrong", ["", "12", "call me", "9999-12-31", "a@[127.0.0.1]", "+999999999999999999"])
def test_what_is_no_number_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid):
        normalise_phone(wrong, region="IN", field="phone")


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_address_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert normalise_email(text, field="x").isascii()
    with suppress(Invalid):
        assert normalise_phone(text, region="IN", field="x").startswith("+")


def test_the_index_tells_kinds_apart_and_shows_nothing() -> None:
    index = address_index("priya@example.com", kind=ContactKind.EMAIL)
    assert index == address_index("priya@example.com", kind=ContactKind.EMAIL)
    assert index != address_index("priya@example.com", kind=ContactKind.PHONE)
    assert "priya" not in index


def test_masks_show_enough_to_recognise() -> None:
    assert mask("priya@example.com", kind=ContactKind.EMAIL) == "p•••@example.com"
    assert mask("+919876543210", kind=ContactKind.PHONE) == "+91••••••3210"
