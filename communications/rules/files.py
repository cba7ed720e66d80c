"""What may be attached to a message, told by its content and never by its name alone (EML-11)."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from types import MappingProxyType
from typing import Final

import puremagic
from PIL import Image

from core.errors import CrmError

MEGABYTE: Final = 1024 * 1024
MAX_FILES: Final = 10
MAX_FILE_BYTES: Final = 10 * MEGABYTE
MAX_MESSAGE_BYTES: Final = 20 * MEGABYTE
# A page of A3 at 300 dots an inch has 17 million; what unpacks to more only serves to exhaust a reader's memory.
MAX_PIXELS: Final = 50_000_000
MAX_NAME: Final = 120

PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"

_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {PDF: (".pdf",), PNG: (".png",), JPEG: (".jpg", ".jpeg")}
)
_WORDS: Final = MappingProxyType({PDF: "a PDF", PNG: "a PNG image", JPEG: "a JPEG image"})
_IMAGE_FORMATS: Final = MappingProxyType({PNG: "PNG", JPEG: "JPEG"})
# As much of a file as its kind is told by.
_HEAD_BYTES: Final = 4096
_PDF_TAIL_BYTES: Final = 2048

_ENDING: Final = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_SPACE: Final = re.compile(r"\s+")
# What no file system of a client's takes, and what would turn the reading direction or hide a part of the name.
_NEVER_IN_NAMES: Final = re.compile(r'[<>:"|?*]')
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class FileRefused(CrmError):
    """A file that is not taken; code and sentence are for whoever sent it."""

    code = "file_refused"


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that was checked. `digest` is the SHA-256 of its content, in hex."""

    filename: str
    media_type: str
    content: bytes = field(repr=False)
    digest: str


def check_file(content: bytes, *, name: str | None, only: str | None = None) -> AttachedFile:
    """The file with its cleaned name, or FileRefused saying what to do. `only`: the one media type that will do."""
    check_size(len(content))
    if not content:
        raise FileRefused("The file is empty. Send its content.", code="empty_file")
    media_type = _media_type(content)
    if only is not None and media_type != only:
        raise FileRefused(f"This is {_WORDS[media_type]}. Send {_WORDS[only]}.", code="wrong_file_type")
    if media_type == PDF:
        _check_pdf(content)
    else:
        _check_image(content, _IMAGE_FORMATS[media_type])
    return AttachedFile(_named(name, media_type), media_type, content, sha256(content).hexdigest())


def check_size(size: int) -> None:
    """Raises FileRefused for more bytes than one file may have."""
    if size > MAX_FILE_BYTES:
        raise FileRefused(
            f"The file is larger than {MAX_FILE_BYTES // MEGABYTE} MB. Send a smaller one, or a link in the context.",
            code="file_too_large",
        )


def check_message(files: Iterable[AttachedFile]) -> None:
    """Raises FileRefused when they are too much for one mail."""
    if sum(len(each.content) for each in files) > MAX_MESSAGE_BYTES:
        raise FileRefused(
            f"The files of a message may have {MAX_MESSAGE_BYTES // MEGABYTE} MB in all. Send fewer, or smaller ones.",
            code="message_too_large",
        )


def without_clashes(files: Iterable[AttachedFile]) -> tuple[AttachedFile, ...]:
    """Files of one message under names that differ, whatever the case of letters: `plan.pdf`, `plan (2).pdf`."""
    taken: set[str] = set()
    named = []
    for each in files:
        stem, ending = _split(each.filename)
        name, number = each.filename, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem} ({number}){ending}"
        taken.add(name.casefold())
        named.append(AttachedFile(name, each.media_type, each.content, each.digest))
    return tuple(named)


def _media_type(content: bytes) -> str:
    try:
        likely = puremagic.magic_string(content[:_HEAD_BYTES])
    except (puremagic.PureError, ValueError):
        likely = []
    found = next((match.mime_type for match in likely if match.mime_type in _ENDINGS), None)
    # A PDF begins with its mark: what has something else in front of it may be two things at once.
    if found is None or (found == PDF and not content.startswith(b"%PDF-")):
        raise FileRefused(
            "The content is not that of a PDF, a PNG or a JPEG, whatever the name says. Send one of these.",
            code="wrong_file_type",
        )
    return str(found)


def _check_pdf(content: bytes) -> None:
    if b"%%EOF" not in content[-_PDF_TAIL_BYTES:]:
        raise _cut_off()


def _check_image(content: bytes, kind: str) -> None:
    """Reads the image's head and, of a PNG, the sums of its parts; nothing of it is unpacked."""
    try:
        with Image.open(BytesIO(content), formats=[kind]) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise _too_many_pixels()
            image.verify()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except FileRefused:
        raise
    except Exception:  # whatever Pillow finds wrong, its reader will too
        raise FileRefused(
            "The image is damaged and cannot be read. Export it once more and send that.", code="damaged_file"
        ) from None
    if kind == "JPEG" and b"\xff\xd9" not in content:
        raise _cut_off()


def _too_many_pixels() -> FileRefused:
    return FileRefused(
        f"The image has more than {MAX_PIXELS // 1_000_000} million pixels. Send a smaller one.",
        code="too_many_pixels",
    )


def _cut_off() -> FileRefused:
    return FileRefused("The end of the file is missing. Send the whole file.", code="damaged_file")


def _named(name: str | None, media_type: str) -> str:
    cleaned = clean_name(name or "")
    stem, ending = _split(cleaned)
    ending = ending.lower()
    if ending in _ENDINGS[media_type]:
        return f"{stem or 'attachment'}{ending}"
    if any(ending in endings for endings in _ENDINGS.values()) or _is_program(ending):
        usual = _ENDINGS[media_type][0]
        raise FileRefused(
            f"The content is {_WORDS[media_type]}, but the name ends with another type’s ending. "
            f"Name it …{usual}, or send the file that the name means.",
            code="name_contradicts_content",
        )
    return f"{cleaned or 'attachment'}{_ENDINGS[media_type][0]}"


def _is_program(ending: str) -> bool:
    """Endings that a client's computer would run, whatever the content."""
    return ending in {
        ".exe",
        ".com",
        ".bat",
        ".cmd",
        ".scr",
        ".js",
        ".vbs",
        ".html",
        ".htm",
        ".svg",
        ".zip",
        ".lnk",
    }


def clean_name(name: str) -> str:
    """The last part of a path, in one line, without what cannot be seen or no file system takes; "" if nothing is
    left of it."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    name = _SPACE.sub(" ", name)
    name = "".join(character for character in name if unicodedata.category(character) not in _INVISIBLE)
    name = _NEVER_IN_NAMES.sub("-", name).strip(" .")
    stem, ending = _split(name)
    return stem[: MAX_NAME - len(ending)].rstrip(" .") + ending


def _split(name: str) -> tuple[str, str]:
    match = _ENDING.search(name)
    return (name[: match.start()], match.group()) if match else (name, "")
