import base64
import socket
from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.project_settings import service_settings, stack_settings
from devstack.secrets_file import development_secrets
from devstack.state import State, keep_ports

PORTS = {"web": 1, "sandbox": 2, "smtp": 3, "twilio": 4, "telnyx": 5}


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.prepare()
    return state


def test_secrets_are_made_once_and_only_the_owner_reads_them(state: State) -> None:
    first = development_secrets(state)

    assert development_secrets(State(state.root)) == first
    assert (state.root / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert len(base64.urlsafe_b64decode(first["FIELD_ENCRYPTION_KEY"])) == 32


def test_a_secret_that_is_new_is_added_and_no_other_changes(state: State) -> None:
    first = development_secrets(state)
    state.write("secrets", {name: value for name, value in first.items() if name != "BLIND_INDEX_KEY"})

    second = development_secrets(state)

    assert second["BLIND_INDEX_KEY"] != first["BLIND_INDEX_KEY"]
    assert {**second, "BLIND_INDEX_KEY": ""} == {**first, "BLIND_INDEX_KEY": ""}


def test_a_damaged_state_file_is_a_sentence_and_stays(state: State) -> None:
    path = state.root / "secrets.json"
    path.write_text("{")

    with pytest.raises(StackError, match=r"secrets\.json cannot be read"):
        development_secrets(state)
    assert path.read_text() == "{"


def test_ports_are_kept_while_they_are_free(state: State) -> None:
    first = keep_ports(state, ("web", "smtp"))
    assert len(set(first.values())) == 2
    assert keep_ports(state, ("web", "smtp")) == first

    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", first["web"]))
        occupant.listen()
        second = keep_ports(state, ("web", "smtp"))

    assert second["web"] != first["web"]
    assert second["smtp"] == first["smtp"]


def test_what_the_caller_has_set_wins(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the caller's")
    monkeypatch.setenv("CRM_POSTAL_ADDRESS", "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")

    base = service_settings(state, database_url="postgres://db", redis_url="redis://broker")
    settings = stack_settings(base, PORTS)

    assert settings["SECRET_KEY"] == "the caller's"
    assert settings["CRM_POSTAL_ADDRESS"] == "elsewhere"
    assert settings["CRM_ENV"] == "development"
    assert settings["SMTP_PORT"] == "3"
    assert "VIRTUAL_ENV" not in settings


def test_a_provider_of_the_callers_is_not_mixed_with_the_sandbox(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_HOST", "smtp.planiva.example")

    settings = stack_settings(service_settings(state, database_url="d", redis_url="r"), PORTS)

    assert settings["SMTP_HOST"] == "smtp.planiva.example"
    assert "SMTP_PORT" not in settings
    assert "SMTP_USE_TLS" not in settings
