"""Pictures of pages that lie in files, as mail programs show them: `python -m tests.browser.pictures FOLDER`.

For every FOLDER/NAME.html: 600 and 360 pixels wide, light and dark, and without pictures from outside.
"""

import re
import sys
from pathlib import Path

from playwright.sync_api import Route, sync_playwright

from tests.browser import chromium

_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240"><rect width="320" height="240" fill="#b9a58a"/>'
    '<circle cx="160" cy="130" r="70" fill="#8a6d4e"/></svg>'
)
_VIEWS = [
    (width, theme, pictures)
    for width in (600, 360)
    for theme, pictures in (("light", True), ("dark", True), ("light", False))
]


def main(folder: Path) -> None:
    path = chromium.executable()
    if path is None:
        raise SystemExit("There is no Chromium here.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        for width, theme, pictures in _VIEWS:
            context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)  # type: ignore[arg-type]
            page = context.new_page()
            page.route(re.compile("^https?:"), _shown if pictures else _kept_away)
            for file in sorted(folder.glob("*.html")):
                page.goto(file.resolve().as_uri())
                overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                if overflow > 0:
                    print(f"{file.name}: {overflow} px wider than {width}")
                name = f"{file.stem}-{width}-{theme}{'' if pictures else '-off'}.png"
                page.screenshot(path=folder / name, full_page=True)
            context.close()
        browser.close()


def _shown(route: Route) -> None:
    route.fulfill(body=_PICTURE, content_type="image/svg+xml")


def _kept_away(route: Route) -> None:
    route.abort()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
