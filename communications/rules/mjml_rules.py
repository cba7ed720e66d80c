"""MJML without its traps. Pure text work, on the source as its author wrote it.

MJML (mrml) is lenient where it matters: unknown `mj-*` elements vanish, a template tag in a width becomes
100 %, columns get their width when they are compiled, whatever a loop or a condition later does with them.
What it refuses it names without a line. So the source is read here first, and every refusal names its line.
"""

import re
from dataclasses import dataclass

# https://documentation.mjml.io/ as far as mrml follows it; without mj-include, which would read files.
_ELEMENTS = """
    mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all mj-attributes
    mj-body mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column mj-divider mj-font
    mj-group mj-head mj-hero mj-image mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-social
    mj-social-element mj-spacer mj-style mj-table mj-text mj-title mj-wrapper
"""
_VOID = "area base br col embed hr img input link meta source track wbr"
MJML_ELEMENTS = frozenset(_ELEMENTS.split())
_VOID_ELEMENTS = frozenset(_VOID.split())
_ATTRIBUTES_FOR_VALUES = frozenset({"alt", "href", "src", "title"})
_BLOCKS = frozenset({"for", "if"})

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TEMPLATE_TAG = r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}"
_PIECE = re.compile(
    rf"(?P<tag>{_TEMPLATE_TAG})"
    r"|<(?P<close>/?)(?P<name>[A-Za-z][\w:-]*)(?P<attributes>(?:\"[^\"]*\"|'[^']*'|[^\"'<>])*)>"
    r"|(?P<doctype><[!?][^>]*>)"
    r"|(?P<stray><)"
)
# Conditional comments are read by some programs, so what stands in them counts.
_COMMENT_MARKS = re.compile(r"<!--(?:\[if[^\]]*\]>)?|(?:<!\[endif\])?-->")
_RESOURCE = re.compile(
    r"(?:<link\b[^>]*\bhref=|\bsrc=|\bbackground=|@import\s+(?:url\()?|\burl\()\s*[\"']?\s*(?:https?:)?//([^/\"'\s)?#]+)",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"\s+([\w:-]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'))?")


@dataclass(frozen=True)
class SourceProblem:
    """One reason to refuse a template. `line` counts from 1; 0 when no line can be named."""

    code: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}" if self.line else self.message


def mjml_problems(source: str) -> list[SourceProblem]:
    """Everything in the source that MJML would refuse without a line, or accept and get wrong."""
    return _MjmlReader(source).problems()


@dataclass(frozen=True)
class _Opened:
    name: str
    line: int
    is_block: bool

    def __str__(self) -> str:
        return f"{{% {self.name} %}}" if self.is_block else f"<{self.name}>"


class _MjmlReader:
    """Walks once over elements and template tags, with one stack for both: they must nest in each other."""

    def __init__(self, source: str) -> None:
        # Comments keep their line breaks, so that lines stay true.
        self._source = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
        self._stack: list[_Opened] = []
        self._problems: list[SourceProblem] = []
        self._line = 1

    def problems(self) -> list[SourceProblem]:
        position = 0
        for piece in _PIECE.finditer(self._source):
            self._line += self._source.count("\n", position, piece.start())
            position = piece.start()
            if piece["tag"]:
                self._read_template_tag(piece["tag"])
            elif piece["stray"]:
                self._refuse(
                    "mjml_stray_bracket", "this < opens no complete element; for the character write &lt;."
                )
            elif piece["name"] and piece["close"]:
                self._close(piece["name"], is_block=False)
            elif piece["name"]:
                self._read_element(piece["name"], piece["attributes"])
            if len(self._problems) >= 10:
                return self._problems
        for left in self._stack:
            self._problems.append(SourceProblem("mjml_not_closed", left.line, f"{left} is never closed."))
        return self._problems

    def _refuse(self, code: str, message: str) -> None:
        self._problems.append(SourceProblem(code, self._line, message))

    def _read_template_tag(self, tag: str) -> None:
        if "<" in tag:
            self._refuse(
                "mjml_less_than", f"MJML reads the < in {tag} as an element; compare with > instead."
            )
        words = tag[2:-2].split()
        if not tag.startswith("{%") or not words:
            return
        if words[0] in _BLOCKS:
            self._stack.append(_Opened(words[0], self._line, is_block=True))
        elif words[0].removeprefix("end") in _BLOCKS:
            self._close(words[0].removeprefix("end"), is_block=True)

    def _read_element(self, name: str, attributes: str) -> None:
        if name.lower().startswith("mj") and name not in MJML_ELEMENTS:
            self._refuse("mjml_unknown_tag", f"<{name}> is no MJML element that may be used here.")
        if name == "mj-column" and self._stack and self._stack[-1].is_block:
            self._refuse(
                "mjml_column_in_block",
                f"a column cannot stand in {self._stack[-1]}: its width is fixed when the template is saved. "
                "Write one <mj-section> for each number of columns and put the condition around that.",
            )
        self._read_attributes(name, attributes.removesuffix("/"))
        if name.lower() not in _VOID_ELEMENTS and not attributes.endswith("/"):
            self._stack.append(_Opened(name, self._line, is_block=False))

    def _read_attributes(self, name: str, attributes: str) -> None:
        if "{%" in attributes:
            self._refuse(
                "mjml_tag_in_element",
                f"a {{% %}} tag cannot stand inside <{name} …>. Put it around the whole element.",
            )
            return
        if _ATTRIBUTE.sub("", attributes).strip():
            self._refuse("mjml_attribute", f'write each attribute of <{name}> as name="value".')
            return
        for attribute in _ATTRIBUTE.finditer(attributes):
            fixed_by_mjml = name.startswith("mj-") and attribute[1] not in _ATTRIBUTES_FOR_VALUES
            if fixed_by_mjml and "{{" in (attribute[2] or ""):
                self._refuse(
                    "mjml_value_in_attribute",
                    f"{attribute[1]} of <{name}> is fixed once saved; a variable may stand only in "
                    f"{', '.join(sorted(_ATTRIBUTES_FOR_VALUES))}.",
                )

    def _close(self, name: str, *, is_block: bool) -> None:
        closing = f"{{% end{name} %}}" if is_block else f"</{name}>"
        if not self._stack:
            self._refuse("mjml_nesting", f"{closing} closes nothing.")
            return
        top = self._stack[-1]
        if (top.name, top.is_block) == (name, is_block):
            self._stack.pop()
            return
        self._refuse("mjml_nesting", f"{closing} comes before {top} of line {top.line} is closed.")
        for index in range(len(self._stack) - 1, -1, -1):
            if (self._stack[index].name, self._stack[index].is_block) == (name, is_block):
                del self._stack[index:]
                return


def foreign_resources(html: str, *, own_host: str) -> list[str]:
    """Hosts, other than ours, from which a mail program would fetch something when the mail is opened.

    Links that a person may follow are no such thing.
    """
    hosts = (match[1].lower() for match in _RESOURCE.finditer(_COMMENT_MARKS.sub("", html)))
    return sorted({host for host in hosts if host != own_host.lower()})
