import pytest

from clients.references import (
    client_reference_problem,
    is_address,
    is_nobody,
    plan_reference_problem,
    valid_reference,
)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        " ",
        "unknown",
        "UNKNOWN",
        " Unknown ",
        "none",
        "None",
        "null",
        "NULL",
        "nil",
        "n/a",
        "N/A",
        "NaN",
        "undefined",
        "nobody",
        "anonymous",
        "-",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_stands_for_nobody(reference):
    assert is_nobody(reference)
    assert client_reference_problem(reference).code == "stands_for_nobody"
    assert plan_reference_problem(reference).code == "stands_for_nothing"


@pytest.mark.parametrize(
    "reference",
    [
        "priya@example.com",
        "a@b",
        "+911234567890",
        "911234567890",
        "00911234567890",
        "+1 (212) 555-0100",
        "98765.43210",
        "9876543210",
    ],
)
def test_is_itself_an_address(reference):
    assert is_address(reference)
    problem = client_reference_problem(reference)
    assert problem.code == "is_an_address"
    assert reference not in problem.message


@pytest.mark.parametrize(
    "reference",
    [
        "660e8400-e29b-41d4-a716-446655440001",
        "client-1",
        "CRM:2026.04_7",
        "1",
        "123456789",
        "a" * 64,
        "12345678901234567",
        "unknown-7",
        "nullable",
    ],
)
def test_good_references(reference):
    assert valid_reference(reference)
    assert client_reference_problem(reference) is None
    assert plan_reference_problem(reference) is None


@pytest.mark.parametrize(
    "reference", ["a" * 65, "a b", "a/b", "é", "a\n", "a\x00b", "client#1", "１２３", "<script>", "a,b"]
)
def test_bad_form(reference):
    assert not valid_reference(reference)
    for problem in (client_reference_problem(reference), plan_reference_problem(reference)):
        assert problem.code == "invalid_reference"
        assert reference not in problem.message


def test_the_field_is_the_callers():
    assert client_reference_problem("unknown").field == "client_id"
    assert client_reference_problem("unknown", field="items.3.client_id").field == "items.3.client_id"
    assert plan_reference_problem("a b").field == "plan_id"
