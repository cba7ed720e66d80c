"""The project's logging, written to memory, and personal data that must never show in it."""

import io
import json
import logging
import logging.config

import pytest
import structlog

from core.logs import logging_config

CANARIES = ("asha", "98765", "Rose Lane", "s3cr3t", "eyJhbGci", "wedding of")
EMAIL = "asha.rao@example.org"
PHONE = "+91 98765 43210"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhc2hhIn0.c2lnbmF0dXJl"
LINK = "https://crm.example/t/s3cr3t-token?q=asha"
TEXT = f"Dear Asha, the wedding of 12 Rose Lane: {EMAIL} {PHONE} {LINK} {TOKEN}"


class Log:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def only(self) -> dict:
        (line,) = self.lines()
        return line

    def assert_clean(self) -> None:
        written = self.stream.getvalue()
        assert written
        for canary in CANARIES:
            assert canary.lower() not in written.lower(), written


@pytest.fixture
def log():
    """The project's logging, written to memory; afterwards everything is as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    captured = Log()
    configure(captured, "INFO")
    structlog.contextvars.clear_contextvars()
    yield captured
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    logging.config.dictConfig(logging_config("INFO"))
    root.handlers[:] = before
    root.setLevel(level)


def configure(log: Log, level: str) -> None:
    config = logging_config(level)
    config["handlers"]["stderr"]["stream"] = log.stream
    logging.config.dictConfig(config)
