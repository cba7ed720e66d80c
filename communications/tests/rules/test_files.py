"""EML-11: what may be attached is told by its content, and its name is cleaned."""

import struct
import zlib

import pytest

from communications.rules.files import (
    JPEG,
    MAX_FILE_BYTES,
    PDF,
    PNG,
    FileRefused,
    check_file,
    check_message,
    clean_name,
    without_clashes,
)
from communications.tests.files_server import a_jpeg, a_pdf, a_png


def refused(content, name=None, **options):
    with pytest.raises(FileRefused) as caught:
        check_file(content, name=name, **options)
    assert caught.value.detail.endswith(".")
    return caught.value.code


def png_of(width, height, *chunks):
    """A PNG of that size on paper; its pixels are not there."""

    def chunk(kind, data):
        return struct.pack("!L", len(data)) + kind + data + struct.pack("!L", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack("!LLBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*each) for each in chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "name", "media_type", "filename"),
    [
        (a_pdf(), "plan.pdf", PDF, "plan.pdf"),
        (a_pdf(), "plan.PDF", PDF, "plan.pdf"),
        (a_pdf(), "plan v1.2", PDF, "plan v1.2.pdf"),
        (a_pdf(), None, PDF, "attachment.pdf"),
        (a_png(), "hall", PNG, "hall.png"),
        (a_jpeg(), "hall.jpeg", JPEG, "hall.jpeg"),
        (a_jpeg(), "../../etc/hall.jpg", JPEG, "hall.jpg"),
        (a_pdf(), "C:\\secret\\plan.pdf", PDF, "plan.pdf"),
        (a_pdf(), "नमस्ते.pdf", PDF, "नमस्ते.pdf"),
    ],
)
def test_what_is_taken(content, name, media_type, filename):
    file = check_file(content, name=name)
    assert (file.media_type, file.filename, file.content) == (media_type, filename, content)


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        pytest.param(b"", "a.pdf", "empty_file", id="empty"),
        pytest.param(b"MZ\x90\x00" + b"\0" * 200, "plan.pdf", "wrong_file_type", id="a program named pdf"),
        pytest.param(b"<html><script>", "plan.pdf", "wrong_file_type", id="a page named pdf"),
        pytest.param(b"PK\x03\x04" + b"\0" * 200, "plan.pdf", "wrong_file_type", id="a zip named pdf"),
        pytest.param(b"GIF89a" + b"\0" * 50, "a.png", "wrong_file_type", id="a gif"),
        pytest.param(b"junk\n" + a_pdf(), "a.pdf", "wrong_file_type", id="something in front of a pdf"),
        pytest.param(a_png(), "plan.pdf", "name_contradicts_content", id="an image named pdf"),
        pytest.param(a_pdf(), "plan.exe", "name_contradicts_content", id="a pdf named as a program"),
        pytest.param(a_pdf()[:-8], "a.pdf", "damaged_file", id="half a pdf"),
        pytest.param(a_png()[:-20], "a.png", "damaged_file", id="half a png"),
        pytest.param(a_jpeg()[:-2], "a.jpg", "damaged_file", id="half a jpeg"),
        pytest.param(a_png()[:30] + b"x" + a_png()[31:], "a.png", "damaged_file", id="a changed png"),
        pytest.param(png_of(60_000, 60_000), "a.png", "too_many_pixels", id="an image bomb"),
        pytest.param(png_of(9_000, 9_000), "a.png", "too_many_pixels", id="a smaller one"),
        pytest.param(png_of(0, 5), "a.png", "damaged_file", id="an image without pixels"),
        pytest.param(
            png_of(4, 4, (b"zTXt", b"a\0\0" + zlib.compress(b"x" * 90_000_000))),
            "a.png",
            "damaged_file",
            id="text bomb",
        ),
    ],
)
def test_what_is_refused(content, name, code):
    assert refused(content, name) == code


def test_one_byte_too_many():
    most = b"%PDF-1.7" + b"x" * (MAX_FILE_BYTES - 13) + b"%%EOF"
    assert len(check_file(most, name=None).content) == MAX_FILE_BYTES
    assert refused(most[:8] + b"x" + most[8:]) == "file_too_large"


def test_two_of_the_largest_fill_a_message():
    largest = check_file(b"%PDF-1.7" + b"x" * (MAX_FILE_BYTES - 13) + b"%%EOF", name=None)
    check_message([largest, largest])
    with pytest.raises(FileRefused) as caught:
        check_message([largest, largest, check_file(a_pdf(), name=None)])
    assert caught.value.code == "message_too_large"


def test_only_a_pdf_will_do():
    assert refused(a_png(), only=PDF) == "wrong_file_type"


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("a\x00b\r\nBcc: x.pdf", "ab Bcc- x.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("  ..hidden.pdf. ", "hidden.pdf"),
        ('a<b>:"|?*.pdf', "a-b------.pdf"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("e\u0301.pdf", "é.pdf"),
        ("/", ""),
        ("\ud800", ""),
    ],
)
def test_names(given, cleaned):
    assert clean_name(given) == cleaned


def test_files_of_one_message_have_different_names():
    files = [
        check_file(a_pdf(bytes([letter])), name=name)
        for letter, name in enumerate(["a.pdf", "A.pdf", "a.pdf"], 65)
    ]
    assert [each.filename for each in without_clashes(files)] == ["a.pdf", "A (2).pdf", "a (3).pdf"]
