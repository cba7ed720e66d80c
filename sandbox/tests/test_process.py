"""The sandbox as a process and as a guest in another."""

import ast
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

import sandbox as package
from sandbox.server import PortInUseError
from sandbox.testing import running_sandbox
from sandbox.tests.conftest import plain_mail

ROOT = Path(package.__file__).parent


@contextmanager
def started(state_dir, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "sandbox", "--state-dir", str(state_dir), *arguments],
        cwd=ROOT.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def send(port, number):
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail("a@example.com", ["b@example.com"], plain_mail(number))


def listed(facts):
    with urllib.request.urlopen(facts["http_url"] + "/smtp/messages", timeout=10) as response:
        return [message["message_id"] for message in json.load(response)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_when_ready_and_ends_cleanly(tmp_path, number):
    with started(tmp_path / "new") as process:
        facts = json.loads(process.stdout.readline())
        send(facts["smtp_port"], 1)
        assert listed(facts) == ["<1@example.com>"]
        with (
            socket.create_connection(("127.0.0.1", facts["smtp_port"])),
            socket.create_connection(("127.0.0.1", facts["http_port"])),
        ):
            process.send_signal(number)
            rest, errors = process.communicate(timeout=20)

    assert (process.returncode, rest, errors) == (0, "", "")


def test_killed_and_started_again_on_the_same_ports_it_has_every_mail(tmp_path):
    with started(tmp_path) as process:
        facts = json.loads(process.stdout.readline())
        send(facts["smtp_port"], 1)
        process.kill()
        process.wait()
    ports = ["--http-port", str(facts["http_port"]), "--smtp-port", str(facts["smtp_port"])]
    for provider in ("twilio", "telnyx"):
        ports += [f"--{provider}-port", facts[f"{provider}_url"].rpartition(":")[2]]
    with started(tmp_path, *ports) as process:
        assert json.loads(process.stdout.readline()) == facts
        assert listed(facts) == ["<1@example.com>"]


@pytest.mark.parametrize("option", ["--http-port", "--smtp-port"])
def test_a_taken_port_is_named(tmp_path, option):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        started(tmp_path, option, str(taken.getsockname()[1])) as process,
    ):
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert option in errors
    assert len(errors.splitlines()) == 1


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with started(tmp_path / "file" / "below") as process:
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "--state-dir" in errors


def test_in_process_it_leaves_no_thread_and_no_socket(tmp_path):
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with running_sandbox(tmp_path) as sandbox:
        sandbox.behave("delay", seconds=60)
        client = smtplib.SMTP(sandbox.smtp_host, sandbox.smtp_port, timeout=10)
        idle = socket.create_connection((sandbox.smtp_host, sandbox.smtp_port), timeout=10)
        client.ehlo()
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        client.docmd("DATA")
        client.send(b"x\r\n.\r\n")
        urllib.request.urlopen(sandbox.http_url + "/smtp/mail/1", timeout=10).close()
    client.close()
    idle.close()

    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files


def test_in_process_a_taken_port_is_raised_and_leaves_the_directory_free(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(PortInUseError),
        running_sandbox(tmp_path, smtp_port=taken.getsockname()[1]),
    ):
        pass
    with running_sandbox(tmp_path) as sandbox:
        assert sandbox.messages() == []


def test_it_imports_nothing_of_the_product():
    """What it counts is evidence only while it shares no code with what it checks."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                # ADR 0037: ed25519, for one provider alone.
                allowed = (
                    {"sandbox", "cryptography"} if path.parent.name == "telnyx" else {"sandbox", "pytest"}
                )
                assert top in sys.stdlib_module_names | allowed, f"{path}: {name}"
