"""EML-5: the blueprint as a document, looked into by a reader of PDFs."""

from datetime import date
from io import BytesIO

import pytest
from pypdf import PdfReader

from communications.agents.blueprint import BlueprintFacts, make_blueprint


def facts(text="Your day is planned.", **changes):
    known = {
        "text": text,
        "client_name": "Priya Sharma",
        "event": "wedding",
        "event_date": date(2027, 6, 12),
        "location": "Jaipur, India",
        "guest_count": 1_250,
        "plan_reference": "plan-1",
        "prepared_on": date(2026, 12, 1),
        "company": "Planiva Event Planning",
        "postal_address": "14 MG Road, Jaipur",
        "support_address": "help@planiva.example",
        "region": "IN",
    }
    return BlueprintFacts(**(known | changes))


def pages(pdf):
    return [" ".join((page.extract_text() or "").split()) for page in PdfReader(BytesIO(pdf)).pages]


def size_of(pdf):
    box = PdfReader(BytesIO(pdf)).pages[0].mediabox
    return round(box.width), round(box.height)


def test_the_same_facts_give_the_same_bytes():
    assert make_blueprint(facts("# A\n\n- b")) == make_blueprint(facts("# A\n\n- b"))


def test_the_cover_says_what_is_known_and_leaves_out_what_is_not():
    cover = pages(make_blueprint(facts("# Priya & Arjun\n\nText")))[0]
    for said in ("Priya & Arjun", "WEDDING BLUEPRINT", "Saturday, 12 June 2027", "Jaipur, India", "1,250", "Planiva",
                 "help@planiva.example", "Prepared on 1 December 2026"):  # fmt: skip
        assert said in cover
    sparse = pages(
        make_blueprint(
            facts(client_name="", event_date=None, location=None, guest_count=None, postal_address="")
        )
    )[0]
    for label in ("Date", "Place", "Guests", "Prepared for", "None"):
        assert label not in sparse


def test_money_accents_and_devanagari_are_there():
    text = "".join(
        pages(make_blueprint(facts("₹24,50,000 €26.800 Škvorecký Ångström Nuñez प्रिया Ζωή Жанна ✓")))
    )
    for said in ("₹24,50,000", "€26.800", "Škvorecký", "Ångström", "Nuñez", "प्रि", "Ζωή", "Жанна", "✓"):
        assert said in text


@pytest.mark.parametrize("place", ["text", "client_name", "location", "company", "event"])
@pytest.mark.parametrize(
    "code",
    ['#panic("x")', '#read("/etc/passwd")', '"]; #panic() [', "$x$ @ref <label> \\u{41} // c", "*a* _b_ = c"],
)
def test_words_are_never_run(place, code):
    text = "".join(pages(make_blueprint(facts(**{place: code if place != "text" else f"`{code}`"}))))
    assert "".join(code.split()).casefold() in "".join(text.split()).casefold()


def test_a_long_table_repeats_its_head_on_every_page():
    rows = "".join(f"|Task number {n}|Vendor {n}|₹{n * 1000}|\n" for n in range(120))
    found = pages(make_blueprint(facts(f"## Tasks\n\n|What is to do|Who|Cost|\n|-|-|-|\n{rows}")))[1:]
    assert len(found) >= 3
    assert all("What is to do" in page for page in found)
    text = " ".join(found)
    assert all(f"Task number {n} " in text for n in range(120))


def test_a_long_one_has_contents_and_numbers_its_pages():
    parts = "".join(f"## Part {n}\n\n{'Words of this part. ' * 60}\n\n" for n in range(1, 13))
    found = pages(make_blueprint(facts(f"# Everything\n\n{parts}")))
    assert "Contents" in found[1]
    assert "Part 12" in found[1]
    total = len(found) - 1
    assert f"Page {total} of {total}" in found[-1]
    assert "Page" not in found[0]


def test_paper_fits_the_region():
    assert size_of(make_blueprint(facts(region="US"))) == (612, 792)
    assert size_of(make_blueprint(facts())) == (595, 842)


def test_the_longest_that_is_taken():
    rows = "".join(f"|{'words ' * 8}|{n}|{'x' * 60}|{n * 7}|\n" for n in range(1_500))
    text = f"# Long\n\n|a|b|c|d|\n|-|-|-|-|\n{rows}"[:200_000]
    assert make_blueprint(facts(text)).startswith(b"%PDF-")
