"""`.env.example` is the list of settings that an installation can trust: complete, explained, without a secret."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SECRETS = {
    "SECRET_KEY",
    "FIELD_ENCRYPTION_KEY",
    "BLIND_INDEX_KEY",
    "LINK_SIGNING_KEYS",
    "POSTGRES_PASSWORD",
    "SMTP_PASSWORD",
    "TELNYX_API_KEY",
    "TWILIO_AUTH_TOKEN",
    "INBOUND_MAIL_SECRET",
    "IMAP_PASSWORD",
}
NO_DEFAULT = object()

_ENTRY = re.compile(r"(?P<commented># )?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")


@dataclass(frozen=True)
class Entry:
    """One setting of the example: what stands behind `=`, and the line above it."""

    value: str
    commented: bool
    line_above: str


def example_entries() -> dict[str, Entry]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = [
        (match, lines[place - 1]) for place, line in enumerate(lines) if (match := _ENTRY.fullmatch(line))
    ]
    names = [match["name"] for match, _ in found]
    assert len(names) == len(set(names)), "a name stands in .env.example twice"
    return {
        match["name"]: Entry(match["value"].strip('"'), bool(match["commented"]), above)
        for match, above in found
    }


def settings_read() -> dict[str, object]:
    """Every name that the settings read from the environment, with its default if that is a plain value."""
    files = [ROOT / "crm_project" / name for name in ("settings.py", "messaging_settings.py")]
    return dict(read for file in files for read in _reads(ast.parse(file.read_text(encoding="utf-8"))))


def _reads(tree: ast.AST) -> Iterator[tuple[str, object]]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        function, arguments = call.func, call.args
        if isinstance(function, ast.Name) and function.id in {"require_secret", "require_secret_list"}:
            yield str(ast.literal_eval(arguments[1])), NO_DEFAULT
        elif (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.value.id == "env"
        ):
            default = [word.value for word in call.keywords if word.arg == "default"] or arguments[1:2]
            yield str(ast.literal_eval(arguments[0])), _plain(default)


def _plain(default: list[ast.expr]) -> object:
    return default[0].value if default and isinstance(default[0], ast.Constant) else NO_DEFAULT


def names_in_packaging() -> set[str]:
    """What docker-compose.yml and the reverse proxy take from `.env` on top."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("docker-compose.yml", "deploy/Caddyfile")]
    return {name for text in texts for name in re.findall(r"\{\$?([A-Z][A-Z0-9_]*)[:}]", text)}


def test_every_setting_is_in_the_example() -> None:
    read = settings_read()
    assert {"SECRET_KEY", "DATABASE_URL", "CRM_SEND_RATE", "SMTP_USE_TLS"} <= read.keys(), (
        "the reader is broken"
    )
    assert (read.keys() | names_in_packaging()) - example_entries().keys() == set()


def test_the_example_names_nothing_that_nobody_reads() -> None:
    assert example_entries().keys() - settings_read().keys() - names_in_packaging() == set()


@pytest.mark.parametrize("name", sorted(example_entries()))
def test_a_setting_is_explained(name: str) -> None:
    above = example_entries()[name].line_above
    assert above.startswith("# ")
    assert len(above) > 20


def test_the_example_holds_no_secret() -> None:
    """SEC-6"""
    assert {name: example_entries()[name].value for name in SECRETS} == dict.fromkeys(SECRETS, "")


def test_commented_lines_show_the_default() -> None:
    shown = {name: entry.value for name, entry in example_entries().items() if entry.commented}
    defaults = {
        name: str(default).lower() if isinstance(default, bool) else str(default)
        for name, default in settings_read().items()
        if default is not NO_DEFAULT
    }
    different = {name: (shown[name], defaults[name]) for name in shown.keys() & defaults.keys()}
    different = {name: pair for name, pair in different.items() if pair[0] != pair[1]}
    assert different == {}


def test_compose_reads_the_env_file_and_keeps_the_journals() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for name in ("migrate", "web", "worker", "scheduler"):
        assert services[name]["env_file"] == ".env"
        assert f"state:{services[name]['environment']['CRM_STATE_DIR']}" in services[name]["volumes"]
