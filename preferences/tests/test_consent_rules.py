"""The ledger of consent, decided by table and by property (engine.md §Consent, PRF-3)."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.choices import Channel
from preferences.choices import ConsentSource, ConsentState
from preferences.rules.consent import Statement, decide, open_by_default, parse_opt_in
from preferences.rules.wordings import WORDINGS

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
START = datetime(2026, 3, 3, 12, tzinfo=UTC)
OUT, IN = ConsentState.OPTED_OUT, ConsentState.GRANTED
PLANNER, PAGE, STAFF = ConsentSource.PLANNER, ConsentSource.PAGE, ConsentSource.STAFF
STRONG = [source for source in ConsentSource if source is not PLANNER]


def said(state: ConsentState, source: ConsentSource, hour: int, point: UUID | None = HERE) -> Statement:
    return Statement(state, source, START + timedelta(hours=hour), point)


def is_open(*statements: Statement, point: UUID | None = HERE, default: bool = True) -> bool:
    return decide(statements, contact_point_id=point, open_by_default=default).is_open


@pytest.mark.parametrize(
    ("statements", "default", "expected"),
    [
        pytest.param([], True, True, id="nobody said anything: the default, open"),
        pytest.param([], False, False, id="nobody said anything: the default, closed"),
        pytest.param([said(IN, PAGE, 0)], False, True, id="a grant opens what is closed by default"),
        pytest.param([said(IN, PLANNER, 0)], False, True, id="so does the planner's"),
        pytest.param([said(IN, PAGE, 0, ELSEWHERE)], False, False, id="not for another number"),
        pytest.param(
            [said(OUT, PAGE, 0, ELSEWHERE)], True, False, id="an opt-out follows to another address"
        ),
        pytest.param([said(OUT, PAGE, 0), said(IN, PAGE, 1)], True, True, id="opting in again"),
        pytest.param([said(OUT, PAGE, 1), said(IN, PAGE, 0)], True, False, id="an older grant came later"),
        pytest.param([said(OUT, PAGE, 0), said(IN, PAGE, 0)], True, False, id="a tie is an opt-out"),
        pytest.param(
            [said(OUT, PAGE, 0), said(IN, PLANNER, 1)], True, False, id="the planner ends no opt-out"
        ),
        pytest.param([said(OUT, PLANNER, 0), said(IN, PLANNER, 1)], True, True, id="but its own"),
        pytest.param([said(OUT, PLANNER, 0), said(IN, STAFF, 1)], True, True, id="staff end the planner's"),
        pytest.param(
            [said(OUT, PAGE, 0), said(OUT, PLANNER, 1), said(IN, PLANNER, 2)],
            True,
            False,
            id="the planner's opt-out does not stand in for the client's",
        ),
        pytest.param(
            [said(IN, PAGE, 0), said(OUT, PAGE, 1), said(IN, PAGE, 2)], False, True, id="back again"
        ),
        pytest.param([said(IN, PAGE, 0), said(OUT, PAGE, 1)], False, False, id="a grant taken back"),
        pytest.param(
            [said(IN, PAGE, 0), said(OUT, PAGE, 1), said(IN, PAGE, 2, ELSEWHERE)],
            False,
            False,
            id="opting in with another number does not bring back the old grant",
        ),
    ],
)
def test_what_holds(statements: list[Statement], default: bool, expected: bool) -> None:
    assert is_open(*statements, default=default) is expected
    assert is_open(*reversed(statements), default=default) is expected, (
        "the order of recording does not matter"
    )


@pytest.mark.parametrize("source", STRONG)
def test_defaults_and_the_planner_never_override_an_opt_out(source: ConsentSource) -> None:
    opted_out = said(OUT, source, 0)
    decision = decide([opted_out, said(IN, PLANNER, 1)], contact_point_id=uuid4(), open_by_default=True)
    assert (decision.is_open, decision.by) == (False, opted_out)


@given(
    st.lists(
        st.builds(
            said,
            st.sampled_from(ConsentState),
            st.sampled_from(ConsentSource),
            st.integers(0, 5),
            st.sampled_from([HERE, ELSEWHERE]),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_an_opt_out_of_the_clients_holds_until_a_later_grant_that_is_not_the_planners(
    statements: list[Statement], default: bool
) -> None:
    outs = [each.occurred_at for each in statements if each.state is OUT and not each.is_planners]
    grants = [each.occurred_at for each in statements if each.state is IN and not each.is_planners]
    if outs and max(outs) >= max(grants, default=START - timedelta(days=1)):
        assert not is_open(*statements, default=default)
    if not any(each.state is OUT for each in statements):
        opened = default or any(each.state is IN and each.contact_point_id == HERE for each in statements)
        assert is_open(*statements, default=default) is opened


def test_whatsapp_needs_a_grant_unless_the_installation_says_otherwise() -> None:
    assert [open_by_default(channel) for channel in Channel] == [True, True, False]
    assert open_by_default(Channel.WHATSAPP, whatsapp="contact_data")
    with pytest.raises(ValueError, match="write explicit or contact_data"):
        parse_opt_in("always")


# What clients agreed to must not change behind them: a new wording is a new version, with its line here.
FINGERPRINTS = {
    "contact-data-1": "57d56010c79aeee4",
    "planner-whatsapp-1": "ad642c192cf770c6",
    "planner-said-1": "9ae0cd2592997f7e",
    "unsubscribe-1": "434e9f7d2893592d",
    "preference-centre-1": "f4f7106e22bbaab2",
    "staff-1": "325ebf8a1dc6af64",
    "import-1": "5c13f21004ac6b78",
}


def test_a_wording_is_never_changed() -> None:
    assert {
        version: sha256(text.encode()).hexdigest()[:16] for version, text in WORDINGS.items()
    } == FINGERPRINTS
