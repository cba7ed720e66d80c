"""EML-13: versions are checked, immutable, and loaded once however often and by however many."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from communications.choices import MessageType
from communications.models.template import Template, TemplateVersion
from communications.services import templates
from communications.tests.templates.examples import NAME, NOW, draft, mjml
from core.choices import Channel
from core.errors import Invalid

pytestmark = pytest.mark.django_db


def test_saved_version_is_compiled_and_keeps_its_tags() -> None:
    version = templates.save_version(**draft())

    assert version.number == 1
    assert "Hello {{ client_name }}</div>" in version.html
    assert "<mj-" not in version.html
    assert templates.active_version("greeting", Channel.EMAIL) is None


def test_same_content_is_the_same_version_and_other_content_the_next() -> None:
    first = templates.save_version(**draft())

    assert templates.save_version(**draft(actor="staff:2")) == first
    assert templates.save_version(**draft(text="Dear {{ client_name }}")).number == 2


def test_active_version_is_the_activated_one() -> None:
    first = templates.save_version(**draft())
    templates.save_version(**draft(text="Dear {{ client_name }}"))

    templates.activate(version=first, now=NOW)

    assert templates.active_version("greeting", Channel.EMAIL) == first


def test_version_is_immutable() -> None:
    version = templates.save_version(**draft())

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        TemplateVersion.objects.filter(id=version.id).update(subject="Changed")


@pytest.mark.parametrize(
    ("changes", "field", "code", "says"),
    [
        pytest.param({"name": "No Name"}, "name", "invalid_name", "a-z", id="name"),
        pytest.param({"subject": " "}, "subject", "required", "subject", id="empty subject"),
        pytest.param({"subject": "a\nb"}, "subject", "one_line", "one line", id="two-line subject"),
        pytest.param({"text": ""}, "text", "required", "text", id="no text part"),
        pytest.param({"text": "a\n{{ x }"}, None, "", "", id="half a tag is text"),
        pytest.param({"text": "a\n{{ who }}"}, "text", "undeclared_variable", "Line 2: who", id="undeclared"),
        pytest.param({"subject": "{{ subject }}"}, "subject", "undeclared_variable", "subject", id="itself"),
        pytest.param(
            {"text": "\n{% include 'x' %}"}, "text", "template_tag", "Line 2: {% include %}", id="include"
        ),
        pytest.param({"text": "{% extends 'x' %}"}, "text", "template_tag", "extends", id="extends"),
        pytest.param({"text": "{% load static %}"}, "text", "template_tag", "load", id="load"),
        pytest.param({"text": "{% url 'x' %}"}, "text", "template_tag", "url", id="url"),
        pytest.param({"text": "{% csrf_token %}"}, "text", "template_tag", "csrf", id="csrf"),
        pytest.param({"text": "{{ client_name|safe }}"}, "text", "template_syntax", "safe", id="safe"),
        pytest.param({"text": "a\n{% if client_name %}"}, "text", "template_syntax", "Line 2", id="open if"),
        pytest.param(
            {"mjml": mjml("\n<mj-foo></mj-foo>")}, "mjml", "mjml_unknown_tag", "Line 6: <mj-foo>", id="mjml"
        ),
        pytest.param({"mjml": "hello"}, "mjml", "mjml_invalid", "MJML cannot read", id="no mjml"),
        pytest.param(
            {"mjml": mjml('<mj-image src="https://far.example/x.png" />')},
            "mjml",
            "foreign_host",
            "far.",
            id="far",
        ),
        pytest.param(
            {"variables": [{"name": "x", "shape": "vendors"}]},
            "variables",
            "invalid_variables",
            "no shape",
            id="shape",
        ),
        pytest.param(
            {"variables": [{"name": "1"}]}, "variables", "invalid_variables", "no name", id="variables"
        ),
    ],
)
def test_bad_draft_is_refused_and_nothing_is_kept(
    changes: dict, field: str | None, code: str, says: str
) -> None:
    if field is None:
        assert templates.save_version(**draft(**changes)).number == 1
        return
    with pytest.raises(Invalid) as refused:
        templates.save_version(**draft(**changes))

    problem = refused.value.problems[0]
    assert (problem.field, problem.code) == (field, code)
    assert says in problem.message
    assert not Template.objects.exists()


def test_missing_and_unprintable_variables_are_named() -> None:
    declared = [*NAME, {"name": "location"}, {"name": "steps", "default": ["One."]}]
    version = templates.save_version(**draft(variables=declared))

    problems = templates.check_variables(version, {"client_name": " ", "location": {"a": 1}, "steps": [{}]})

    assert [(problem.field, problem.code) for problem in problems] == [
        ("context.client_name", "missing_variable"),
        ("context.location", "wrong_type"),
        ("context.steps", "wrong_type"),
    ]
    assert templates.check_variables(version, {"client_name": "Priya"}) == []


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("budget_summary", "budget_allocations"),
        ("vendor_options", "vendor_combinations"),
        ("selection_confirmation", "selected_combination"),
        ("custom", "message"),
    ],
)
def test_what_a_message_cannot_do_without_is_named(
    builtin: dict[str, TemplateVersion], name: str, field: str
) -> None:
    (problem,) = templates.check_variables(builtin[name], {"client_name": "Priya"}, message_type=name)

    assert (problem.field, problem.code) == (f"context.{field}", "missing_variable")
    assert field in problem.message


def test_what_cannot_be_shown_is_named(builtin: dict[str, TemplateVersion]) -> None:
    given = {"client_name": "Priya", "budget_strategies": [{"total": "much", "breakdown": {"venue": {}}}]}

    problems = templates.check_variables(builtin["budget_summary"], given)

    assert [problem.field for problem in problems] == [
        "context.budget_strategies[0].breakdown.venue",
        "context.budget_strategies[0].total",
    ]


def test_custom_message_needs_its_words(builtin: dict[str, TemplateVersion]) -> None:
    problems = templates.check_variables(builtin["generic"], {"client_name": "Priya"}, message_type="custom")

    assert [(problem.field, problem.code) for problem in problems] == [
        ("context.message", "missing_variable")
    ]


def test_type_without_template_takes_the_generic_one(builtin: dict[str, TemplateVersion]) -> None:
    Template.objects.filter(name="vendor_options").update(active_version=None)

    assert templates.versions_for(["welcome", "vendor_options"], Channel.EMAIL) == {
        "welcome": builtin["welcome"],
        "vendor_options": builtin["generic"],
    }
    assert templates.versions_for(["welcome"], Channel.SMS) == {}


def test_loading_twice_changes_nothing() -> None:
    first = templates.load_builtin_templates(now=NOW)
    again = templates.load_builtin_templates(now=NOW)

    assert {loaded.name for loaded in first} >= {"generic", "welcome"}
    assert all(loaded.changed and loaded.active for loaded in first)
    assert [(loaded.version, loaded.changed) for loaded in again] == [
        (loaded.version, False) for loaded in first
    ]
    assert TemplateVersion.objects.count() == len(first)


def test_every_type_has_a_template(builtin: dict[str, TemplateVersion]) -> None:
    without = {MessageType.BLUEPRINT_DELIVERY}  # it comes with the PDF
    assert {kind for kind in MessageType if kind not in builtin} == without


def test_company_colours_are_part_of_a_version(settings: Settings) -> None:
    templates.load_builtin_templates(now=NOW)
    settings.CRM_ACCENT_COLOUR = "#7a1f3d"

    changed = templates.load_builtin_templates(now=NOW)

    assert all(loaded.changed and loaded.active for loaded in changed)
    assert all(
        "#7a1f3d" in loaded.version.html and "#0f6863" not in loaded.version.html for loaded in changed
    )


def test_command_says_what_changed() -> None:
    said = StringIO()

    call_command("load_templates", stdout=said)
    call_command("load_templates", stdout=said)

    lines = said.getvalue().splitlines()
    assert [line for line in lines if line.startswith("welcome")] == [
        "welcome: version 1, new version",
        "welcome: version 1, unchanged",
    ]
    assert len(lines) == 2 * TemplateVersion.objects.count()


def test_loading_leaves_a_version_of_staff_in_use(builtin: dict[str, TemplateVersion]) -> None:
    theirs = templates.save_version(**draft(name="welcome"))
    templates.activate(version=theirs, now=NOW)

    loaded = {one.name: one for one in templates.load_builtin_templates(now=NOW)}

    assert (loaded["welcome"].changed, loaded["welcome"].active) == (False, False)
    assert templates.active_version("welcome", Channel.EMAIL) == theirs


def at_once(*calls: Callable[[], int]) -> list[int]:
    """Each in a thread and on a connection of its own, released together."""
    start = Barrier(len(calls))

    def run(call: Callable[[], int]) -> int:
        try:
            connection.ensure_connection()
            start.wait(timeout=10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.django_db(transaction=True)
def test_four_loading_at_once_make_one_version() -> None:
    def load() -> int:
        return sum(loaded.changed for loaded in templates.load_builtin_templates(now=NOW))

    made = sum(at_once(load, load, load, load))
    assert made == TemplateVersion.objects.count() == Template.objects.count()
    assert set(TemplateVersion.objects.values_list("number", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_authors_at_once_get_numbers_of_their_own() -> None:
    templates.save_version(**draft())

    def save(text: str) -> Callable[[], int]:
        return lambda: templates.save_version(**draft(text=text)).number

    assert sorted(at_once(*(save(f"Text {number}") for number in range(8)))) == list(range(2, 10))
