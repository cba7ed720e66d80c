"""Errors and warnings, caught or not, are logged as types and places."""

import logging
import sys
import threading
import warnings

from django.core.exceptions import ImproperlyConfigured

from core import logs
from core.logs import get_logger
from core.tests.captured_log import EMAIL, TEXT


def fail() -> None:
    asha = EMAIL
    try:
        raise KeyError(asha)
    except KeyError as error:
        try:
            raise ConnectionRefusedError(111, TEXT)
        except ConnectionRefusedError:
            raise ExceptionGroup(TEXT, [ValueError(TEXT), UnicodeError(EMAIL)]) from error


def test_an_error_is_types_and_places(log):
    try:
        fail()
    except ExceptionGroup:
        get_logger("x").exception("it failed")
    described = log.only()["exception"]
    assert [part["type"] for part in described] == [
        "builtins.ExceptionGroup",
        "builtins.ValueError",
        "builtins.UnicodeError",
        "builtins.KeyError",
    ]
    assert described[0]["frames"][-1].startswith("core/tests/test_logs_errors.py:")
    assert described[0]["frames"][-1].endswith(" fail")
    log.assert_clean()


def test_the_context_of_an_error_is_described_too(log):
    try:
        try:
            raise ConnectionRefusedError(111, TEXT)
        except ConnectionRefusedError:
            raise ValueError(TEXT)  # noqa: B904 - the implicit context is what is tested
    except ValueError:
        logging.getLogger("library").exception("failed for %s", EMAIL)
    line = log.only()
    assert [part["type"] for part in line["exception"]] == [
        "builtins.ValueError",
        "builtins.ConnectionRefusedError",
    ]
    assert line["exception"][1]["errno"] == 111
    log.assert_clean()


def test_an_error_that_names_code_keeps_its_message(log):
    try:
        raise ImproperlyConfigured(f"SECRET_KEY is not set. {EMAIL}")
    except ImproperlyConfigured:
        get_logger("x").exception("cannot start")
    assert log.only()["exception"][0]["message"] == "SECRET_KEY is not set. [email]"


def test_a_circle_of_causes_ends(log):
    first, second = ValueError(TEXT), KeyError(TEXT)
    first.__cause__, second.__cause__ = second, first
    get_logger("x").error("odd", exc_info=first)
    assert len(log.only()["exception"]) == 2


def test_warnings_lose_their_text(log):
    logging.captureWarnings(True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(TEXT, UserWarning, stacklevel=1)
    line = log.only()
    assert (line["component"], line["event"], line["category"]) == ("py.warnings", "warning", "UserWarning")
    assert line["at"].startswith("core/tests/test_logs_errors.py:")
    log.assert_clean()


def test_uncaught_errors_lose_their_text(log, monkeypatch):
    for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    logs.install_hooks()
    try:
        raise ValueError(TEXT)
    except ValueError:
        sys.excepthook(*sys.exc_info())

    thread = threading.Thread(target=fail, name="asha")
    thread.start()
    thread.join(10)

    class Careless:
        def __del__(self) -> None:
            raise ValueError(TEXT)

    Careless().__del__ is not None  # noqa: B015 - it dies here
    assert [line["component"] for line in log.lines()] == ["uncaught"] * 3
    log.assert_clean()
