"""A planner's Markdown or plain text as the blocks of a document: plain data, which a typesetter prints as it is.

Blocks are objects with a `kind`: heading, paragraph, list, table, quote, code, rule. What stands in a line is a list of
objects with a `kind` of text, strong, emphasis, strike, code, link or break. Nothing of the text is ever markup for
whoever prints it.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

Block = dict[str, Any]
Inline = dict[str, Any]

_MAX_NESTING: Final = 40
# As long as a line of text that somebody wrapped by hand; shorter lines were meant to end.
_WRAPPED_LINE: Final = 60
# Longer words get places where they may be broken, or they would run out of their column.
_LONG_WORD: Final = 24
_BREAK: Final = "\u200b"
_LINK_SCHEMES: Final = ("https://", "http://", "mailto:", "tel:")
_MAX_LINK: Final = 2_000

_BR: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TASK: Final = re.compile(r"\[([ xX])\]\s+")
_PICTURES: Final = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u2604\u2614\u2615\u26a1\u2728\u2b50\ufe0e\ufe0f\u20e3]"
)
# One picture of several, as a woman of some trade.
_JOINED_PICTURES: Final = re.compile(
    "[\U0001f000-\U0001faff]+(\ufe0f?\u200d[\u2600-\u27bf\U0001f000-\U0001faff]+\ufe0f?)+"
)
_SIGNS: Final = str.maketrans({"✅": "✓", "☑": "✓", "❌": "✗", "⭐": "★"})
_NUMBER: Final = re.compile(r"[^A-Za-z]{0,6}[\d][\d.,'\u2019 \u00a0]*\s*(%|[A-Z]{3}|[^\w\s]{1,3})?")
_BETWEEN_PARTS: Final = re.compile(r"(?<=[/?&=._@-])(?=[^\s/?&=._@-])")


@dataclass(frozen=True)
class DocumentText:
    """`title` is the text's own, if it begins with one; headings are of levels 1 to 4."""

    title: str | None
    blocks: Sequence[Block]

    @property
    def headings(self) -> int:
        return sum(1 for block in self.blocks if block["kind"] == "heading" and block["level"] <= 2)


def read_document(text: str) -> DocumentText:
    """The blocks of `text`. Whatever it holds, something readable comes out."""
    text = _without_pictures(text)
    tokens = _parser().parse(text)
    if any(token.level >= _MAX_NESTING - 2 for token in tokens):
        # The parser leaves out what is nested deeper: better every word of it, one after the other.
        return DocumentText(None, [_paragraph(part) for part in re.split(r"\n\s*\n", text) if part.strip()])
    blocks = list(_blocks(SyntaxTreeNode(tokens).children))
    title = None
    if blocks and blocks[0]["kind"] == "heading":
        levels = [block["level"] for block in blocks if block["kind"] == "heading"]
        if levels.count(levels[0]) == 1 and levels[0] == min(levels):
            title = plain(blocks[0]["content"])
            blocks = blocks[1:]
    return DocumentText(title, _levelled(blocks))


def plain(content: Sequence[Inline]) -> str:
    """The words of a line alone."""
    parts = [
        " " if each["kind"] == "break" else plain(each["content"]) if "content" in each else each["text"]
        for each in content
    ]
    return " ".join("".join(parts).replace(_BREAK, "").split())


@cache
def _parser() -> MarkdownIt:
    # Indented text is text in a letter; and nothing is fetched, so an image is its description.
    options = {"html": False, "maxNesting": _MAX_NESTING}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"]).disable(["code"])


def _without_pictures(text: str) -> str:
    text = _JOINED_PICTURES.sub("", text).translate(_SIGNS)
    text = _PICTURES.sub("", text)
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs", "Co"}
    )


def _levelled(blocks: Sequence[Block]) -> list[Block]:
    """Headings from level 1 on without gaps at the top, whatever level the text begins with."""
    levels = sorted({block["level"] for block in blocks if block["kind"] == "heading"})
    return [
        block | {"level": min(levels.index(block["level"]) + 1, 4)} if block["kind"] == "heading" else block
        for block in blocks
    ]


def _blocks(nodes: Sequence[SyntaxTreeNode]) -> Iterator[Block]:
    for node in nodes:
        block = _block(node)
        if block is not None:
            yield block


def _block(node: SyntaxTreeNode) -> Block | None:
    if node.type == "heading":
        content = _line(node)
        return {"kind": "heading", "level": int(node.tag[1:]), "content": content} if plain(content) else None
    if node.type == "paragraph":
        return {"kind": "paragraph", "content": _line(node)}
    if node.type in {"bullet_list", "ordered_list"}:
        return _list(node)
    if node.type == "table":
        return _table(node)
    if node.type == "blockquote":
        return {"kind": "quote", "blocks": list(_blocks(node.children))}
    if node.type in {"fence", "code_block"}:
        return {"kind": "code", "text": _breakable(node.content.rstrip("\n"))}
    if node.type == "hr":
        return {"kind": "rule"}
    return {"kind": "paragraph", "content": [_text(node.content)]} if node.content.strip() else None


def _paragraph(text: str) -> Block:
    return {"kind": "paragraph", "content": [_text(" ".join(text.split()))]}


def _list(node: SyntaxTreeNode) -> Block:
    items = [list(_blocks(item.children)) for item in node.children]
    return {
        "kind": "list",
        "ordered": node.type == "ordered_list",
        "start": int(node.attrs.get("start", 1)),
        "items": [{"task": _take_task(blocks), "blocks": blocks} for blocks in items],
    }


def _take_task(blocks: list[Block]) -> str:
    """`open` or `done` for an item that begins with a box, whose marks are taken away; else ""."""
    content = blocks[0]["content"] if blocks and blocks[0]["kind"] == "paragraph" else []
    if not content or content[0]["kind"] != "text":
        return ""
    match = _TASK.match(content[0]["text"])
    if match is None:
        return ""
    content[0]["text"] = content[0]["text"][match.end() :]
    return "open" if match[1] == " " else "done"


def _table(node: SyntaxTreeNode) -> Block:
    head, *bodies = node.children
    header = [_line(cell) for cell in head.children[0].children]
    rows = [[_line(cell) for cell in row.children] for body in bodies for row in body.children]
    columns = list(zip(*([header, *rows]), strict=True))
    asked = [str(cell.attrs.get("style", "")) for cell in head.children[0].children]
    return {
        "kind": "table",
        # Without words it is a list of facts, which needs none.
        "header": header if any(plain(cell) for cell in header) else [],
        # Objects, for lists of lists have no clear end when they are strung together.
        "rows": [[{"content": cell} for cell in row] for row in rows],
        "columns": [_column(cells, style) for cells, style in zip(columns, asked, strict=True)],
        "keep_rows": all(sum(len(plain(cell)) for cell in row) < 900 for row in rows),
        "keep_whole": len(rows) <= 7 and sum(len(plain(cell)) for row in rows for cell in row) < 1_200,
    }


def _column(cells: Sequence[Sequence[Inline]], style: str) -> dict[str, Any]:
    """How wide and how aligned: figures to the right and as wide as they are, words by how many there are."""
    head, *rest = [plain(cell) for cell in cells]
    filled = [text for text in rest if text]
    is_number = bool(filled) and all(_NUMBER.fullmatch(text) and len(text) <= 18 for text in filled)
    longest = max((len(word) for text in (head, *rest) for word in text.split()), default=1)
    usual = sorted(map(len, filled))[len(filled) * 3 // 4] if filled else 1
    align = next(
        (side for side in ("right", "center", "left") if side in style), "right" if is_number else "left"
    )
    return {
        "align": align,
        "number": is_number,
        # In letters of its width: the longest word, and the space beside it, fit.
        "weight": 4 + max(2, min(longest, _LONG_WORD), min(usual, 44), min(len(head), 16)),
    }


def _line(node: SyntaxTreeNode) -> list[Inline]:
    inline = node.children[0] if node.children and node.children[0].type == "inline" else None
    if inline is None:
        return []
    content = list(_inlines(inline.children))
    lines = [len(line) for line in inline.content.split("\n")]
    if len(lines) > 1 and min(lines[:-1]) >= _WRAPPED_LINE:
        content = [{"kind": "text", "text": " "} if each["kind"] == "soft" else each for each in content]
    return [{"kind": "break"} if each["kind"] == "soft" else each for each in content]


_WRAPPING: Final = {"strong": "strong", "em": "emphasis", "s": "strike"}


def _inlines(nodes: Sequence[SyntaxTreeNode]) -> Iterator[Inline]:
    for node in nodes:
        if node.type == "text":
            yield from _with_breaks(node.content)
        elif node.type in _WRAPPING:
            yield {"kind": _WRAPPING[node.type], "content": _settled(node.children)}
        elif node.type == "code_inline":
            yield {"kind": "code", "text": _breakable(node.content)}
        elif node.type == "link":
            yield from _link(node)
        elif node.type == "image":
            yield _text(node.content or "")
        elif node.type == "softbreak":
            yield {"kind": "soft"}
        elif node.type == "hardbreak":
            yield {"kind": "break"}
        else:
            yield _text(node.content)


def _settled(nodes: Sequence[SyntaxTreeNode]) -> list[Inline]:
    return [{"kind": "text", "text": " "} if each["kind"] == "soft" else each for each in _inlines(nodes)]


def _with_breaks(text: str) -> Iterator[Inline]:
    first, *more = _BR.split(text)
    yield _text(first)
    for line in more:
        yield {"kind": "break"}
        yield _text(line)


def _link(node: SyntaxTreeNode) -> Iterator[Inline]:
    """A link that leads somewhere harmless; of any other the words alone."""
    content, url = _settled(node.children), str(node.attrs.get("href", ""))
    if url.lower().startswith(_LINK_SCHEMES) and len(url) <= _MAX_LINK:
        yield {"kind": "link", "url": url, "content": content}
    else:
        yield from content


def _text(text: str) -> Inline:
    return {"kind": "text", "text": _breakable(text)}


def _breakable(text: str) -> str:
    if all(len(word) <= _LONG_WORD for word in text.split()):
        return text
    return re.sub(rf"\S{{{_LONG_WORD + 1},}}", lambda match: _broken(match.group()), text)


def _broken(word: str) -> str:
    parts = []
    for part in _BETWEEN_PARTS.split(word):
        parts += [part[start : start + _LONG_WORD] for start in range(0, len(part), _LONG_WORD)]
    return _BREAK.join(parts)
