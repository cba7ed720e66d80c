"""The files of the built-in templates put together: shared layout, parts that come up again, the company's colours.

    <!-- part fact label="Place" value="{{ location }}" -->

stands for `parts/fact.mjml`, with `@label@` and `@value@` in it replaced. What is stored as a version is plain MJML.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from communications.rules.brand import palette

_CONTENT: Final = Path(__file__).resolve().parent.parent / "content" / "email"
_MARK: Final = "<!-- content -->"
_PART: Final = re.compile(r'^([ \t]*)<!-- part (\w+)((?: \w+="[^"]*")*) -->$', re.MULTILINE)
_ARGUMENT: Final = re.compile(r' (\w+)="([^"]*)"')
_TOKEN: Final = re.compile(r"@([a-z_]+)@")


@dataclass(frozen=True)
class TemplateSource:
    """What an author writes, as `save_version` takes it."""

    name: str
    subject: str
    preheader: str
    mjml: str
    text: str
    variables: list[Mapping[str, Any]]


@dataclass(frozen=True)
class InLayout:
    """A whole document, and how many of its lines come before what was put in."""

    source: str
    lines_before: int


def builtin_sources() -> Iterator[TemplateSource]:
    """By name."""
    for path in sorted(_CONTENT.glob("*.toml")):
        declared = tomllib.loads(path.read_text("utf-8"))
        body = _with_parts(path.with_suffix(".mjml").read_text("utf-8").rstrip("\n"))
        text = path.with_suffix(".txt").read_text("utf-8").rstrip("\n")
        yield TemplateSource(
            name=path.stem,
            subject=declared["subject"],
            preheader=declared["preheader"],
            mjml=in_layout(body).source,
            text=_file("layout.txt").replace(_MARK, text),
            variables=declared["variables"],
        )


def in_layout(mjml: str) -> InLayout:
    """Sections inside the shared layout, in the company's colours."""
    layout = _file("layout.mjml")
    before = layout.partition(_MARK)[0]
    return InLayout(_with_tokens(layout.replace(_MARK, mjml)), before.count("\n"))


def _with_parts(source: str) -> str:
    def expand(found: re.Match[str]) -> str:
        indent, name, given = found.groups()
        arguments = dict(_ARGUMENT.findall(given))
        part = _file(f"parts/{name}.mjml").rstrip("\n")
        # Only its own arguments: what else stands between @ and @ is a colour.
        filled = _TOKEN.sub(lambda token: arguments.get(token[1], token[0]), part)
        return "\n".join(indent + line if line else line for line in filled.splitlines())

    return _PART.sub(expand, source)


def _with_tokens(source: str) -> str:
    colours = asdict(palette(settings.CRM_ACCENT_COLOUR))
    tokens = colours | {"lang": settings.CRM_LOCALE.partition("_")[0]}
    return _TOKEN.sub(lambda token: tokens.get(token[1], token[0]), source)


@cache
def _file(name: str) -> str:
    return (_CONTENT / name).read_text("utf-8")
