"""EML-9: what a template declares, and what fits."""

from decimal import Decimal

import pytest

from communications.rules.template_rules import (
    Variable,
    WrongShapeError,
    checksum,
    fit,
    parse_variables,
    variables_as_json,
)

TEXT = Variable("location", required=False, default="", description="")
LIST = Variable("next_steps", required=False, default=("One.",), description="")


@pytest.mark.parametrize(
    ("variable", "value", "fitted"),
    [
        (TEXT, " Pune ", "Pune"),
        (TEXT, "   ", None),
        (TEXT, None, None),
        (TEXT, 250.0, 250),
        (TEXT, Decimal("1.5"), Decimal("1.5")),
        (LIST, ["One.", "", None, "Two."], ["One.", "Two."]),
        (LIST, "One.\n\nTwo.", ["One.", "Two."]),
        (LIST, [], None),
    ],
)
def test_fit(variable: Variable, value: object, fitted: object) -> None:
    assert fit(variable, value) == fitted


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (TEXT, {"city": "Pune"}),
        (TEXT, ["Pune"]),
        (TEXT, True),
        (LIST, [{"step": 1}]),
        (LIST, 5),
        (LIST, {"a": 1}),
    ],
)
def test_value_that_nobody_should_read_does_not_fit(variable: Variable, value: object) -> None:
    with pytest.raises(WrongShapeError):
        fit(variable, value)


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ([{"name": "Client Name"}], "is no name"),
        ([{"name": "a"}, {"name": "a"}], "declared twice"),
        ([{"name": "company_name"}], "filled in by the engine"),
        ([{"name": "a", "default": 5}], "must be a text or a list of texts"),
        ([{"name": "a", "required": "yes"}], "true or false"),
    ],
)
def test_bad_declaration_is_refused_with_a_sentence(declared: list[dict], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_variables(declared)


def test_declarations_survive_storing() -> None:
    assert parse_variables(variables_as_json([TEXT, LIST])) == (TEXT, LIST)


def test_checksum_covers_every_part() -> None:
    parts = {"subject": "a", "preheader": "b", "mjml": "c", "text": "d", "variables": (TEXT,)}
    changed = [parts | {name: "x"} for name in ("subject", "preheader", "mjml", "text")]

    sums = {checksum(**one) for one in [parts, *changed, parts | {"variables": (LIST,)}]}

    assert len(sums) == 6
