"""HTML that is escaped unless it says otherwise, and the frame that every page shares."""

from html import escape

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every answer that does not bring its own: no script at all."""


class Markup(str):
    """Text that is HTML already. Only `render` and `joined` make it from values that came from outside."""

    __slots__ = ()


def render(template: str, **values: object) -> Markup:
    """Fills `{name}` places; every value that is not `Markup` is escaped, quotes included."""
    safe = {
        name: value if isinstance(value, Markup) else escape(str(value)) for name, value in values.items()
    }
    return Markup(template.format_map(safe))


def joined(*pieces: Markup) -> Markup:
    return Markup("".join(pieces))


_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Sandbox</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header class="top">
<a class="home" href="/">Sandbox</a> <a href="/smtp/">Mail</a> <a href="/phone/">Phones</a>
<span>Nothing here leaves this computer.</span>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def page(*, title: str, body: Markup) -> str:
    return render(_FRAME, title=title, body=body)
