"""EML-1, EML-6, EML-8, EML-9, EML-10: what a client reads."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from communications.agents.email import compose_html, compose_text
from communications.agents.facts import local_time
from communications.agents.template_language import day, money
from communications.choices import MessageType
from communications.models.template import TemplateVersion
from communications.services import templates
from communications.tests.templates.examples import NAME, PLAN, draft, facts, mjml

HOSTILE_NAMES = [
    pytest.param('<script>alert("x")</script>', id="html"),
    pytest.param("{{ company_name }}{% if x %}", id="template tags"),
    pytest.param("Priya\r\nBcc: everybody@example.com", id="header"),
    pytest.param("\u202eayirP\u202c \ud83d\x00", id="direction, half a surrogate, NUL"),
    pytest.param("پریا شرما 👰🏽", id="right to left, emoji"),
    pytest.param("P" * 10_000, id="long"),
]


def compose(version: TemplateVersion, **changes):
    known = facts(**changes)
    composed = compose_text(version, known)
    html = compose_html(version, known, composed)
    assert html.html is not None
    return composed, html.html


def test_welcome_says_plan_steps_and_timeline(builtin: dict[str, TemplateVersion]) -> None:
    composed, html = compose(builtin["welcome"])

    assert composed.subject == "Welcome, Priya Sharma: your wedding plan is open"
    assert composed.degraded == ""
    for part in (composed.text, html):
        for expected in (
            PLAN,
            "Tuesday, 15 December 2026",
            "Sat 21 Nov 2026, 14:30 (Asia/Kolkata)",
            "₹15,00,000",
            "250",
            "Taj Lands End, Mumbai",
            "We suggest combinations of vendors that fit together",
            "within two working days",
            "12 Rose Lane, Pune 411001, India",
            "support@planiva.example",
            "You get this e-mail because Planiva Event Planning is planning your wedding.",
        ):
            assert expected in part


def test_welcome_reads_well_with_the_sparsest_context(builtin: dict[str, TemplateVersion]) -> None:
    composed, html = compose(builtin["welcome"], event_type=None, event_date=None, variables={})

    assert composed.subject == "Welcome, Priya Sharma: your event plan is open"
    for part in (composed.text, html):
        assert "As soon as you know the date, tell us." in part
        assert not re.search(r"\b(None|Guests|Budget|Place)\b", part)


def test_given_steps_and_timeline_replace_the_defaults(builtin: dict[str, TemplateVersion]) -> None:
    given = {
        "next_steps": ["Call on Monday."],
        "estimated_timeline": "About a week.",
        "budget": "about 15 lakh",
    }

    composed, html = compose(builtin["welcome"], variables=given)

    for part in (composed.text, html):
        assert "Call on Monday." in part
        assert "About a week." in part
        assert "about 15 lakh" in part
        assert "two working days" not in part


@pytest.mark.parametrize("kind", list(MessageType))
@pytest.mark.parametrize("name", ["welcome", "generic"])
def test_no_unresolved_tag_and_no_foreign_host(
    builtin: dict[str, TemplateVersion], name: str, kind: MessageType
) -> None:
    composed, html = compose(builtin[name], message_type=kind)

    for part in (composed.subject, composed.text, html):
        assert not re.search(r"\{\{|\}\}|\{%|%\}", re.sub(r"(?s)<style.*?</style>", "", part))
        assert not re.search(r"(?i)(https?:)?//[a-z0-9.-]+\.[a-z]", part)
    assert "font-family:Ubuntu" not in html
    sizes = [
        int(size) for size in re.findall(r"font-size:(\d+)px", re.sub(r"(?s)<head>.*?</head>", "", html))
    ]
    assert {size for size in sizes if size > 1} <= {16, 18, 32}


@pytest.mark.parametrize("kind", [kind for kind in MessageType if kind is not MessageType.CUSTOM])
def test_generic_says_nothing_of_an_unknown_context(
    builtin: dict[str, TemplateVersion], kind: MessageType
) -> None:
    canary = "canary-7f3a"
    context = dict.fromkeys(
        [
            "error_message",
            "error_occurred",
            "message",
            "subject",
            "headline",
            "paragraphs",
            "company_name",
            "x",
        ],
        canary,
    )

    composed, html = compose(builtin["generic"], message_type=kind, variables=context)

    assert canary not in composed.subject + composed.text + html
    assert composed.degraded == "template_missing"
    assert "wedding" in composed.subject
    assert PLAN in composed.text
    assert PLAN in html


def test_custom_message_is_the_callers_own(builtin: dict[str, TemplateVersion]) -> None:
    words = {"subject": "Your\r\ntasting", "message": "Friday, 14:00.\n\nBring <b>somebody</b>."}

    composed, html = compose(builtin["generic"], message_type="custom", variables=words)

    assert composed.subject == "Your tasting"
    assert composed.degraded == ""
    assert "Friday, 14:00.\n\nBring <b>somebody</b>." in composed.text
    assert "Bring &lt;b&gt;somebody&lt;/b&gt;." in html


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("template", ["welcome", "generic"])
def test_hostile_name_is_only_ever_text(
    builtin: dict[str, TemplateVersion], template: str, name: str
) -> None:
    composed, html = compose(builtin[template], client_name=name, event_type=name)

    assert composed.degraded in {"", "template_missing"}
    assert "<script" not in html
    assert not re.search("[\x00\r\u202a-\u202e\ud800-\udfff]", composed.subject + composed.text + html)
    assert "\n" not in composed.subject + composed.preview
    assert len(composed.subject) <= 200
    assert len(composed.preview) <= 140
    assert "\nBcc:" not in composed.text
    if "{{" in name:
        assert name in composed.text
        assert "Planiva Event Planning{%" not in html


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Sun 25 Oct 2026, 02:30 (Europe/Rome)"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Sun 25 Oct 2026, 02:30 (Europe/Rome)"),
        (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), "Sun 25 Oct 2026, 03:30 (Europe/Rome)"),
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "Sun 29 Mar 2026, 01:59 (Europe/Rome)"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Sun 29 Mar 2026, 03:00 (Europe/Rome)"),
    ],
)
def test_time_is_the_clients_on_both_sides_of_a_change_of_clocks(instant: datetime, shown: str) -> None:
    assert local_time(instant, "Europe/Rome") == shown


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (1500000, "INR", "₹15,00,000"),
        ("1500000.5", "INR", "₹15,00,000.50"),
        (25000, "EUR", "€25,000"),
        (25000.25, "USD", "$25,000.25"),
        (25000, "JPY", "¥25,000"),
        ("about 15 lakh", "INR", "about 15 lakh"),
        ("NaN", "INR", "NaN"),
    ],
)
def test_money(amount: object, currency: str, shown: str) -> None:
    assert money(amount, currency) == shown


@given(
    number=st.integers(-(10**15), 10**15),
    currency=st.sampled_from(["INR", "NPR", "USD", "EUR", "JPY", "GBP", "AUD", "CHF", "XXX", "QQQ"]),
)
def test_whole_amounts_are_written_as_babel_writes_them(number: int, currency: str) -> None:
    in_lakh = currency in {"INR", "NPR"}
    pattern, locale = ("¤#,##,##0", "en_IN") if in_lakh else ("¤#,##0", "en")
    expected = format_currency(Decimal(number), currency, pattern, locale=locale, currency_digits=False)
    assert money(number, currency) == expected


def test_day_of_a_leap_year() -> None:
    assert day(datetime(2028, 2, 29, tzinfo=UTC).date()) == "Tuesday, 29 February 2028"


def test_same_facts_give_the_same_bytes(builtin: dict[str, TemplateVersion]) -> None:
    known = facts()
    composed = compose_text(builtin["welcome"], known)

    assert compose_html(builtin["welcome"], known, composed) == compose_html(
        builtin["welcome"], known, composed
    )


@pytest.mark.parametrize(
    "part",
    [
        pytest.param({"text": "{{ client_name.initials }}"}, id="unresolved part of a value"),
        pytest.param({"text": "{% for a in client_name %}{{ a.b }}{% endfor %}"}, id="unresolved in a loop"),
        pytest.param({"subject": "{{ client_name.split }} {{ client_name.x }}"}, id="subject"),
        pytest.param({"text": "{{ client_name|join:plan_id.x }}"}, id="argument of a filter"),
    ],
)
def test_failing_template_leaves_a_plain_text(db: None, part: dict, caplog: pytest.LogCaptureFixture) -> None:
    """REL-4: nothing is sent with a blank; the log names the version and a code, never a value."""
    version = templates.save_version(**draft(**part))
    known = facts(variables={"secret": "canary-7f3a"})

    composed = compose_text(version, known)

    assert composed.degraded == "rendering_failed"
    assert composed.text.startswith("Hello Priya Sharma,\n\nWe have opened a plan for your wedding")
    assert PLAN in composed.text
    assert compose_html(version, known, composed).html is None
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Priya" not in caplog.text
    assert "canary" not in caplog.text


def test_failing_html_leaves_the_text_to_go_alone(db: None) -> None:
    version = templates.save_version(**draft(mjml=mjml("<mj-text>{{ client_name.x }}</mj-text>")))
    composed = compose_text(version, facts())

    html = compose_html(version, facts(), composed)

    assert (composed.degraded, html.html, html.sha256, html.degraded) == ("", None, "", "rendering_failed")


def test_value_of_a_wrong_shape_is_never_printed(db: None) -> None:
    version = templates.save_version(**draft(text="{{ place }}", variables=[*NAME, {"name": "place"}]))

    composed = compose_text(version, facts(variables={"place": {"secret": "canary-7f3a"}}))

    assert composed.degraded == "rendering_failed"
    assert "canary" not in composed.text


def test_without_any_template_a_plain_text_goes_out() -> None:
    known = facts("budget_summary", client_name="", zone="no/zone")

    composed = compose_text(None, known)

    assert (composed.subject, composed.degraded) == (
        "The budget options for your wedding are ready",
        "template_missing",
    )
    assert composed.text.startswith("Hello,\n")
    assert compose_html(None, known, composed).html is None
