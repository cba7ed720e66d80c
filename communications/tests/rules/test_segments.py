"""GSM 03.38 and UCS-2 counted exactly, and texts that fit one segment without being torn (MSG-6)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communications.rules.segments import (
    GSM_BASIC,
    GSM_EXTENDED,
    Encoding,
    fit,
    graphemes,
    is_gsm,
    measure,
    septets,
    to_gsm,
    utf16_units,
)

LINK = "https://planiva.example/s/Qm3xYt81LkPz"
GSM = sorted(GSM_BASIC | GSM_EXTENDED)
ODD = st.sampled_from([*GSM, "ë", "अ", "्", "😀", "\u200d", "\u0301", "字", "’"])


def test_the_alphabet_is_the_standard_s() -> None:
    assert len(GSM_BASIC) == 127  # 128 places, one of which is the escape
    assert sorted(GSM_EXTENDED) == sorted("\f^{}\\[~]|€")


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", Encoding.GSM, 0, 1),
        ("a" * 160, Encoding.GSM, 160, 1),
        ("a" * 161, Encoding.GSM, 161, 2),
        ("a" * 306, Encoding.GSM, 306, 2),
        ("a" * 307, Encoding.GSM, 307, 3),
        ("€" * 80, Encoding.GSM, 160, 1),
        ("€" * 81, Encoding.GSM, 162, 2),
        # 153 is odd: the 77th pair does not stand in two segments.
        ("€" * 152, Encoding.GSM, 304, 2),
        ("€" * 153, Encoding.GSM, 306, 3),
        ("a" + "€" * 152, Encoding.GSM, 305, 2),
        ("é" * 160, Encoding.GSM, 160, 1),
        ("ë", Encoding.UCS2, 1, 1),
        ("ç", Encoding.UCS2, 1, 1),
        ("अ" * 70, Encoding.UCS2, 70, 1),
        ("अ" * 71, Encoding.UCS2, 71, 2),
        ("a" * 69 + "अ", Encoding.UCS2, 70, 1),
        ("😀" * 35, Encoding.UCS2, 70, 1),
        ("😀" * 36, Encoding.UCS2, 72, 2),
        # 67 is odd: no surrogate pair stands in two segments.
        ("😀" * 66, Encoding.UCS2, 132, 2),
        ("😀" * 67, Encoding.UCS2, 134, 3),
    ],
)
def test_lengths(text: str, encoding: Encoding, units: int, count: int) -> None:
    length = measure(text)
    assert (length.encoding, length.units, length.segments) == (encoding, units, count)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("abc", ["a", "b", "c"]),
        ("e\u0301x", ["e\u0301", "x"]),
        ("नमस्ते", ["न", "म", "स्ते"]),
        ("👨‍👩‍👧!", ["👨‍👩‍👧", "!"]),
        ("👍🏽a", ["👍🏽", "a"]),
        ("🇮🇳🇮🇹", ["🇮🇳", "🇮🇹"]),
        ("❤️x", ["❤️", "x"]),
        ("\r\na", ["\r\n", "a"]),
        ("", []),
    ],
)
def test_graphemes(text: str, parts: list[str]) -> None:
    assert list(graphemes(text)) == parts


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("It’s “ready” – now…", 'It\'s "ready" - now...'),
        ("₹15,00,000", "Rs 15,00,000"),
        ("a\u00a0b\u200bc", "a bc"),
        ("Zoë", "Zoë"),
    ],
)
def test_typography_does_not_halve_the_room(text: str, plain: str) -> None:
    assert to_gsm(text) == plain


def test_the_wordiest_that_fits_is_taken() -> None:
    assert fit(["a " * 100, "short enough"], link=LINK) == f"short enough {LINK}"
    assert fit(["this one", "that one"]) == "this one"


def test_what_never_fits_is_cut_between_words_with_the_link_whole() -> None:
    text = fit(["Planning goes on with every word of this sentence. " * 10], link=LINK)
    assert septets(text) <= 160
    assert text.endswith(f"... {LINK}")
    words = ["Planning", "goes", "on", "with", "every", "word", "of", "this", "sentence."]
    assert set(text.removesuffix(f"... {LINK}").split()) <= set(words)


def test_another_script_gets_the_shorter_segment() -> None:
    text = fit(["नमस्ते प्रिया, आपकी शादी के विकल्प तैयार हैं। " * 4], link="https://p.example/s/1")
    assert measure(text).encoding is Encoding.UCS2
    assert utf16_units(text) <= 70
    assert text.endswith("https://p.example/s/1")


def test_a_script_without_spaces_is_cut_between_graphemes() -> None:
    text = fit(["婚礼的供应商选项已准备好请查看并选择" * 10])
    assert 60 < utf16_units(text) <= 70


def test_a_link_that_leaves_no_room_is_left_away() -> None:
    assert (
        fit(["Your options are ready."], link="https://x.example/" + "a" * 150)
        == "Your options are ready...."
    )


@given(
    st.lists(st.text(ODD, max_size=400), min_size=1, max_size=3),
    st.sampled_from(["", LINK, "https://p.example/s/1"]),
)
def test_whatever_the_text_it_fits_and_nothing_is_torn(variants: list[str], link: str) -> None:
    text = fit(variants, link=link)
    assert measure(text).fits_one
    if is_gsm(text):
        assert septets(text) <= 160
    else:
        assert utf16_units(text) <= 70
    if link:
        assert text == "" or text.endswith(link) or len(link) > 100
    kept = text.removesuffix(link).rstrip()
    if kept.endswith("..."):
        kept = kept.removesuffix("...")
        sources = [to_gsm(" ".join(variant.split())) for variant in variants]
        assert any(source.startswith(kept) for source in sources)
        whole = next(source for source in sources if source.startswith(kept))
        rest = whole[len(kept) :]
        assert not rest or unicodedata.category(rest[0]) not in {"Mn", "Mc", "Me"}


@given(st.text(max_size=300))
def test_graphemes_lose_nothing(text: str) -> None:
    assert "".join(graphemes(text)) == text
