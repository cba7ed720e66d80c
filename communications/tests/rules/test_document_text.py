"""A planner's text as blocks: everything that it says, and nothing that would be markup for somebody else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.rules.document_text import plain, read_document


def words(document):
    """Every word of the document."""

    def of(value):
        if isinstance(value, dict):
            yield from (value["text"],) if "text" in value else ()
            for inner in value.values():
                yield from of(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from of(inner)

    return " ".join(of(list(document.blocks))).replace("\u200b", "")


def kinds(text):
    return [block["kind"] for block in read_document(text).blocks]


def test_the_title_is_the_texts_own_and_headings_begin_at_one():
    document = read_document("# The wedding\n\n## Vendors\n\nText\n\n#### Detail\n\n## Budget")
    assert document.title == "The wedding"
    assert [
        (each["level"], plain(each["content"])) for each in document.blocks if each["kind"] == "heading"
    ] == [
        (1, "Vendors"),
        (2, "Detail"),
        (1, "Budget"),
    ]


def test_headings_of_one_level_are_no_title():
    assert read_document("# One\n\ntext\n\n# Two").title is None


def test_blocks():
    text = "p\n\n- a\n- b\n\n1. c\n\n> q\n\n```\ncode\n```\n\n---\n\n|a|\n|-|\n|1|\n"
    assert kinds(text) == ["paragraph", "list", "list", "quote", "code", "rule", "table"]


def test_lines_that_were_meant_to_end_do_and_wrapped_ones_do_not():
    short = read_document("7 pm Guests\n8 pm Dinner").blocks[0]["content"]
    assert [each["kind"] for each in short] == ["text", "break", "text"]
    wrapped = read_document(f"{'word ' * 14}\nand the rest").blocks[0]["content"]
    assert "break" not in [each["kind"] for each in wrapped]


def test_indented_text_is_text():
    assert kinds("    a note in a letter") == ["paragraph"]


def test_boxes_of_tasks():
    (block,) = read_document("- [x] done\n- [ ] open\n- none").blocks
    assert [item["task"] for item in block["items"]] == ["done", "open", ""]
    assert [plain(item["blocks"][0]["content"]) for item in block["items"]] == ["done", "open", "none"]


def test_figures_stand_to_the_right():
    (table,) = read_document("|Vendor|Cost|\n|-|-|\n|Rasoi & Sons|₹8,10,000|\n|Hall|€ 1.200,50|\n").blocks
    assert [column["align"] for column in table["columns"]] == ["left", "right"]


def test_a_table_without_heads_is_a_list_of_facts():
    (table,) = read_document("| | |\n|-|-|\n|Days|Three|\n").blocks
    assert table["header"] == []


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "/relative", "//x.test"]
)
def test_links_that_lead_nowhere_harmless_are_words(url):
    assert '"link"' not in json.dumps(read_document(f"[words](<{url}>)").blocks)
    assert "words" in words(read_document(f"[words](<{url}>)"))


def test_images_are_their_descriptions():
    assert words(read_document("![The hall at dusk](https://x.test/a.png)")) == "The hall at dusk"


def test_html_is_printed_as_it_stands():
    assert words(read_document("<b>bold</b> and <script>x</script>")) == "<b>bold</b> and <script>x</script>"


def test_pictures_are_left_out_and_letters_stay():
    assert (
        words(read_document("🎉 Priya’s day 👰🏽‍♀️ ✅ श्री ₹5 Škvorecký")) == "Priya’s day  ✓ श्री ₹5 Škvorecký"
    )


@pytest.mark.parametrize("mark", ["> ", "- ", "1. "])
def test_nothing_is_lost_however_deep_it_is_nested(mark):
    assert "deep" in words(read_document(mark * 200 + "deep\n\nafter"))
    assert "after" in words(read_document(mark * 200 + "deep\n\nafter"))


def test_long_words_may_be_broken():
    (block,) = read_document("W" * 100).blocks
    assert max(map(len, block["content"][0]["text"].split("\u200b"))) <= 24


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from([*"ab *_`#>-[]()!|\n1.~\\<&$@", "é", "अ", "\x00"]), max_size=200))
def test_whatever_comes_in_something_readable_comes_out(text):
    document = read_document(text)
    json.dumps(list(document.blocks))
    for letter in "ab":
        assert words(document).count(letter) + (document.title or "").count(letter) <= text.count(letter)
