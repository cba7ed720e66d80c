"""pip's configuration in uv's words: uv reads no pip.conf and no PIP_ variable."""

import ast
import os
import subprocess
from pathlib import Path

# pip's option: uv's variable and what joins several values there.
TRANSLATION = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "proxy": ("ALL_PROXY", " "),
    "cert": ("SSL_CERT_FILE", " "),
}


def uv_environment(python: Path) -> dict[str, str]:
    """The environment to run uv in. A variable of uv's own that is set already wins.

    Packages may come from any of the indexes, as with pip: the hashes decide what is accepted.
    """
    environment = dict(os.environ)
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    environment.setdefault("UV_NO_PROGRESS", "1")
    for option, value in _pip_configuration(python).items():
        name, separator = TRANSLATION.get(option, ("", ""))
        if name:
            environment.setdefault(name, separator.join(value.split()))
    return environment


def _pip_configuration(python: Path) -> dict[str, str]:
    """What pip would use, files and PIP_ variables together; the later source wins."""
    command = [str(python), "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    configuration: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in answer.stdout.splitlines():
        key, _, quoted = line.partition("=")
        section, _, option = key.partition(".")
        if section in configuration and quoted:
            configuration[section][option] = str(ast.literal_eval(quoted))
    return configuration["global"] | configuration["install"] | configuration[":env:"]
