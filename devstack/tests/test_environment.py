import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devstack.environment import LOCKS, UNFINISHED, ensure_environment
from devstack.installer_settings import uv_environment
from devstack.supervisor import ROOT
from devstack.tests.conftest import eventually


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without requirements and without the locked installer, so that nothing is fetched."""
    for name in LOCKS:
        (tmp_path / name).write_text("")
    return tmp_path


def test_an_installation_that_was_killed_is_begun_again(project: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from devstack.environment import ensure_environment as run; "
    )
    script += "run(Path(sys.argv[1]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(project)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    mark = project / ".venv" / UNFINISHED
    assert eventually(mark.exists, 20)
    assert eventually((project / ".venv" / "bin").exists, 20)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert mark.exists()

    environment = ensure_environment(project)

    assert not mark.exists()
    assert (
        subprocess.run(
            [environment.python, "-m", "pip", "--version"], capture_output=True, check=False
        ).returncode
        == 0
    )
    made_at = environment.python.lstat().st_mtime
    begun = time.monotonic()
    assert ensure_environment(project).python.lstat().st_mtime == made_at
    assert time.monotonic() - begun < 0.5

    stamp = project / ".venv" / "crm-installed.json"
    before = json.loads(stamp.read_text())
    (project / LOCKS[0]).write_text("# changed\n")
    ensure_environment(project)
    assert json.loads(stamp.read_text()) != before


def test_pips_configuration_reaches_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global]\nindex-url = https://one.example/simple\nfind-links = /wheels /more\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_CERT", "/certificates.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "https://two.example/simple")

    settings = uv_environment(Path(sys.executable))

    assert settings["UV_DEFAULT_INDEX"] == "https://two.example/simple"
    assert settings["UV_FIND_LINKS"] == "/wheels,/more"
    assert settings["SSL_CERT_FILE"] == "/certificates.pem"
    assert settings["UV_SYSTEM_CERTS"] == "1"
