"""EML-8, EML-10: MJML's traps are refused with a line, before a client sees what they do."""

import pytest

from communications.rules.mjml_rules import foreign_resources, mjml_problems
from communications.tests.templates.examples import mjml


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        pytest.param("<mj-texxt>x</mj-texxt>", "mjml_unknown_tag", 5, id="unknown element"),
        pytest.param("<MJ-TEXT>x</MJ-TEXT>", "mjml_unknown_tag", 5, id="upper case vanishes too"),
        pytest.param('<mj-include path="/etc/passwd" />', "mjml_unknown_tag", 5, id="include reads files"),
        pytest.param("<mj-text>\n{% if a < b %}x{% endif %}</mj-text>", "mjml_less_than", 6, id="less than"),
        pytest.param("<mj-text>a < b</mj-text>", "mjml_stray_bracket", 5, id="stray bracket"),
        pytest.param(
            "<mj-text {% if a %}x{% endif %}>x</mj-text>", "mjml_tag_in_element", 5, id="tag in element"
        ),
        pytest.param(
            '<mj-button href="{% url "x" %}">x</mj-button>', "mjml_tag_in_element", 5, id="url in attribute"
        ),
        pytest.param(
            '<mj-image width="{{ share }}%" src="a" />', "mjml_value_in_attribute", 5, id="width by variable"
        ),
        pytest.param("<mj-button href={{x}}>x</mj-button>", "mjml_attribute", 5, id="no quotes"),
        pytest.param("<mj-text>a<b>b</mj-text>", "mjml_nesting", 5, id="unclosed inside"),
        pytest.param("</mj-text>", "mjml_nesting", 5, id="closes nothing"),
        pytest.param("{% if a %}\n<mj-text>x{% endif %}</mj-text>", "mjml_nesting", 6, id="crossing"),
        pytest.param("\n{% for a in b %}", "mjml_nesting", 7, id="loop never ends"),
    ],
)
def test_trap_is_refused_with_its_line(body: str, code: str, line: int) -> None:
    problems = mjml_problems(mjml(body))

    assert (problems[0].code, problems[0].line) == (code, line)
    assert str(problems[0]).startswith(f"Line {line}: ")


@pytest.mark.parametrize("block", ["for vendor in vendors", "if wide"])
def test_column_in_a_block_is_refused(block: str) -> None:
    end = block.split(maxsplit=1)[0]
    source = (
        "<mjml><mj-body><mj-section>\n{% " + block + " %}\n<mj-column></mj-column>\n{% end" + end + " %}\n"
        "</mj-section></mj-body></mjml>"
    )

    assert [(problem.code, problem.line) for problem in mjml_problems(source)] == [
        ("mjml_column_in_block", 3)
    ]


@pytest.mark.parametrize(
    "body",
    [
        '<mj-button href="mailto:{{ support_email }}">x</mj-button>',
        "{% if a > b %}<mj-text>x</mj-text>{% endif %}",
        '<mj-text><div style="width:{{ share }}%">a &lt; b<br>c</div></mj-text>',
        "<!-- <mj-nothing> a < b -->\n<mj-text>x</mj-text>",
        "<mj-table>{% for a in b %}<tr><td>{{ a }}</td></tr>{% empty %}<tr></tr>{% endfor %}</mj-table>",
    ],
)
def test_what_mjml_gets_right_is_accepted(body: str) -> None:
    assert mjml_problems(mjml(body)) == []


def test_what_is_left_open_names_the_line_where_it_began() -> None:
    problems = mjml_problems("<mjml>\n<mj-body>\n")

    assert [(problem.code, problem.line) for problem in problems] == [
        ("mjml_not_closed", 1),
        ("mjml_not_closed", 2),
    ]


@pytest.mark.parametrize(
    "html",
    [
        '<!--[if !mso]><!--><link href="https://fonts.example/css" rel="stylesheet"><!--<![endif]-->',
        "<style>@import url(https://fonts.example/css);</style>",
        "<img src='//fonts.example/x.png'>",
        '<td background="http://fonts.example/x.png">',
        '<td style="background:url(https://fonts.example/x)">',
    ],
)
def test_resource_of_a_foreign_host_is_found(html: str) -> None:
    assert foreign_resources(html, own_host="crm.example") == ["fonts.example"]


def test_links_and_our_own_host_are_no_foreign_resource() -> None:
    html = '<a href="https://vendor.example">x</a><img src="https://crm.example/logo.png">'

    assert foreign_resources(html, own_host="crm.example") == []
