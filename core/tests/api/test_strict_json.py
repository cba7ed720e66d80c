"""Bodies from strangers: each fault has its own code, none costs much time or memory."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.strict_json import MAX_DEPTH, MAX_VALUES, parse_json
from core.errors import Malformed


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"", "invalid_json", id="empty"),
        pytest.param(b'{"a": 1', "invalid_json", id="cut off"),
        pytest.param(b"{'a': 1}", "invalid_json", id="single quotes"),
        pytest.param(b'{"a": 1} x', "invalid_json", id="something behind"),
        pytest.param(b'{"a": "\xff"}', "invalid_utf8", id="invalid UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', "invalid_utf8", id="surrogate as UTF-8"),
        pytest.param(b'{"a": "\x00"}', "nul_character", id="raw NUL"),
        pytest.param(b'{"a": "x\\u0000y"}', "nul_character", id="escaped NUL"),
        pytest.param(b'{"a\\u0000": 1}', "nul_character", id="NUL in a key"),
        pytest.param(b'[[{"a": ["\\u0000"]}]]', "nul_character", id="NUL far inside"),
        pytest.param(b'{"a": "\\ud800"}', "lone_surrogate", id="lone surrogate"),
        pytest.param(b'{"\\udfff": 1}', "lone_surrogate", id="lone surrogate in a key"),
        pytest.param(b'{"a": NaN}', "number_out_of_range", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "number_out_of_range", id="Infinity"),
        pytest.param(b'{"a": 1e999}', "number_out_of_range", id="overflow"),
        pytest.param(b'{"a": ' + b"9" * 41 + b"}", "number_too_long", id="long integer"),
        pytest.param(b'{"a": ' + b"9" * 100_000 + b"}", "number_too_long", id="absurdly long integer"),
        pytest.param(b'{"a": 0.' + b"1" * 100 + b"}", "number_too_long", id="long fraction"),
        pytest.param(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "too_deep", id="one level too deep"),
        pytest.param(b"[" * 100_000, "too_deep", id="deeper than the stack"),
        pytest.param(b"[" * 10_000_000, "too_many_values", id="10 MB of brackets"),
        pytest.param(b"[" + b"{}," * MAX_VALUES + b"{}]", "too_many_values", id="a memory bomb"),
    ],
)
def test_each_fault_has_its_code_and_is_found_at_once(raw, code):
    # Time of this process, not of the clock: a busy machine must not fail the test.
    started = time.process_time()
    with pytest.raises(Malformed) as raised:
        parse_json(raw)
    assert raised.value.code == code
    assert raised.value.detail.endswith(".")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b" {} ", {}, id="empty object"),
        pytest.param(b"[]", [], id="another top level is for the view to judge"),
        pytest.param(b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}, id="a surrogate pair"),
        pytest.param('{"é": "नमस्ते"}'.encode(), {"é": "नमस्ते"}, id="other scripts"),
        pytest.param(b'{"a": 12345678901234567890.5}', {"a": 12345678901234567890.5}, id="a long number"),
        pytest.param(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None, id="as deep as allowed"),
    ],
)
def test_what_is_sound_comes_through(raw, value):
    parsed = parse_json(raw)
    assert value is None or parsed == value


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw):
    with suppress(Malformed):
        parse_json(raw)
