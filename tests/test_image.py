"""What the container image is made of: the allow-list of `.dockerignore` against what the product needs."""

from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)


def allowed() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def test_every_app_of_ours_is_in_the_image() -> None:
    ours = {
        name.partition(".")[0] for name in settings.INSTALLED_APPS if (ROOT / name.partition(".")[0]).is_dir()
    }
    assert {"backoffice", "communications", "core"} <= ours
    assert ours - allowed() == set()


def test_what_settings_and_the_image_name_is_there() -> None:
    assert {"templates", "static", "manage.py", "requirements.txt"} <= allowed()
    assert [name for name in allowed() if not (ROOT / name).exists()] == []
