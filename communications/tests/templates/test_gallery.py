"""EML-1 to EML-10, EML-14: every message, in life and at its edges. To look at them:

CRM_GALLERY=FOLDER python3 run.py test communications/tests/templates/test_gallery.py

writes each as HTML and text into FOLDER, with pictures of it where there is a Chromium.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from communications.services.templates import check_variables
from communications.tests.templates.gallery import EXAMPLES, Example

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("builtin")]
each_example = pytest.mark.parametrize("example", [pytest.param(each, id=each.name) for each in EXAMPLES])


@each_example
def test_example(example: Example) -> None:
    known = example.facts()
    given = {**known.variables, "client_name": known.client_name}
    assert check_variables(example.version(), given, message_type=example.message_type) == []
    composed, html = example.compose()
    assert composed.degraded == ("template_missing" if example.template == "generic" else "")
    for part in (composed.subject, composed.text, re.sub(r"(?s)<style.*?</style>", "", html)):
        assert "canary" not in part
        if example.name != "hostile":
            assert not re.search(r"\{\{|\}\}|\{%|%\}|\bNone\b(?! of them)|\(\)|Decimal|@\w+@", part)
    assert "<script" not in html
    assert "pictures.example" in html or not re.search(r"(?i)(src|background)=\"(?!cid:)", html)
    assert html.count('href=""') == 0
    assert not re.search(r"\n\n\n| \n", composed.text)


@pytest.mark.skipif("CRM_GALLERY" not in os.environ, reason="only for looking: name a folder in CRM_GALLERY")
def test_write_them_all_to_look_at() -> None:
    folder = Path(os.environ["CRM_GALLERY"])
    folder.mkdir(parents=True, exist_ok=True)
    for example in EXAMPLES:
        composed, html = example.compose()
        (folder / f"{example.name}.html").write_text(html, "utf-8")
        (folder / f"{example.name}.txt").write_text(
            f"Subject: {composed.subject}\n\n{composed.text}", "utf-8"
        )
    subprocess.run([sys.executable, "-m", "tests.browser.pictures", str(folder)], check=True)
