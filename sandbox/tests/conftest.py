import json
import smtplib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

import pytest

from sandbox.testing import Sandbox, running_sandbox


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


@pytest.fixture
def sandbox(tmp_path) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path) as running:
        yield running


@pytest.fixture
def http(sandbox):
    """Real HTTP; a body that is not bytes is sent as JSON."""

    def call(method, path, body=None, headers=None) -> Answer:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            sandbox.http_url + path, data=data, method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    return call


@pytest.fixture
def smtp(sandbox):
    """A connected client. Closed without QUIT, as the server may have gone away on purpose."""
    client = smtplib.SMTP(sandbox.smtp_host, sandbox.smtp_port, timeout=10)
    yield client
    client.close()


@pytest.fixture
def send(sandbox):
    """Sends one mail over a connection of its own."""

    def send_one(number=1, *, to=("priya@example.com",), raw=None, timeout=10):
        with smtplib.SMTP(sandbox.smtp_host, sandbox.smtp_port, timeout=timeout) as client:
            return client.sendmail("hello@example.com", list(to), raw or plain_mail(number))

    return send_one


def plain_mail(number=1) -> bytes:
    return (
        f"Message-ID: <{number}@example.com>\r\nSubject: Mail {number}\r\nFrom: hello@example.com\r\n"
        f"\r\nBody {number}\r\n"
    ).encode()
