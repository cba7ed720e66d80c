"""Logs hold references only, whoever writes them: our code and libraries."""

import io
import logging
import time

import pytest
import structlog
from celery import signals
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.log import log_response

from core import logs
from core.choices import Channel
from core.logs import get_logger, logging_config
from core.tests.captured_log import CANARIES, EMAIL, LINK, PHONE, TEXT, TOKEN, configure


def test_a_line_has_the_documented_keys(log):
    structlog.contextvars.bind_contextvars(request_id="0b6f0f0e7a584a4e9a511f0f7c9f2a11", consumer="plan-7")
    get_logger("dispatch").info(
        "attempt recorded", communication_id="c-1", provider=Channel.EMAIL, duration_ms=3.5
    )
    line = log.only()
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "attempt recorded",
        "component": "dispatch",
        "request_id": "0b6f0f0e7a584a4e9a511f0f7c9f2a11",
        "consumer": "plan-7",
        "communication_id": "c-1",
        "provider": "email",
        "duration_ms": 3.5,
    }


def test_keys_that_are_not_declared_are_dropped_and_counted(log):
    get_logger("x").info("done", name="Asha", address=EMAIL, context={"a": TEXT}, count=2)
    assert log.only() | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "event": "done",
        "component": "x",
        "count": 2,
        "dropped": 3,
    }
    log.assert_clean()


@pytest.mark.parametrize(
    "value", [TEXT, EMAIL, PHONE, LINK, TOKEN, "Asha Rao", {"a": EMAIL}, [TEXT], b"asha", object()]
)
def test_a_declared_key_does_not_carry_personal_values(log, value):
    structlog.contextvars.bind_contextvars(consumer=value, user=value)
    get_logger("x").warning("refused", code=value, provider=value, duration_ms=value, error=ValueError(value))
    assert log.only()["error"] == "ValueError"
    log.assert_clean()


def test_an_event_text_is_scrubbed(log):
    get_logger("x").info(f"sent to {EMAIL} {PHONE} {TOKEN} {LINK}")
    log.assert_clean()
    assert log.only()["event"].startswith("sent to [email] [number]")


def test_positional_arguments_are_dropped(log):
    get_logger("x").info("sent %s", EMAIL)
    log.assert_clean()


@pytest.mark.parametrize(
    ("name", "message", "arguments", "expected"),
    [
        ("django.security", "%s: %s", ("Not Found", "/c/asha@example.org"), "<str>: <str>"),
        (
            "django.db.backends",
            "(%.3f) %s; args=%s",
            (0.5, "SELECT 1", (EMAIL,)),
            "(0.500) <str>; args=<tuple>",
        ),
        ("urllib3.connectionpool", '%s://%s:%s "%s %s" %s', ("https", "h", 443, "GET", LINK, 200), None),
        (
            "celery.app.trace",
            "Task %(name)s[%(id)s] raised unexpected: %(exc)s",
            (
                {
                    "name": "core.consume_outbox",
                    "id": "0b6f0f0e-7a58-4a4e-9a51-1f0f7c9f2a11",
                    "exc": f"ValueError('{TEXT}')",
                },
            ),
            "Task core.consume_outbox[0b6f0f0e-7a58-4a4e-9a51-1f0f7c9f2a11] raised unexpected: <str>",
        ),
        ("kombu", "100%% of %d for %r", (3, EMAIL), "100% of 3 for <str>"),
        ("smtplib", "%s", (b"550 5.1.1 <asha.rao@example.org> unknown",), "<bytes>"),
    ],
)
def test_other_libraries_lose_their_texts(log, name, message, arguments, expected):
    logging.getLogger(name).error(message, *arguments)
    for canary in CANARIES:
        assert canary not in log.stream.getvalue()
    line = log.only()
    assert line["component"] == name
    if expected is not None:
        assert line["event"] == expected


def test_a_constant_text_of_a_library_is_kept(log):
    logging.getLogger("library").warning("Connection pool is full.")
    assert log.only()["event"] == "Connection pool is full."


@pytest.mark.parametrize("kind", ["f-string", "error", "concatenated"])
def test_a_text_made_at_run_time_is_withheld(log, kind):
    texts = {
        "f-string": f"Failed for {TEXT}",
        "error": ValueError("12 Rose Lane"),
        "concatenated": "Asha" + " Rao"[:],
    }
    logging.getLogger("library").warning(texts[kind])
    line = log.only()
    assert line["event"] == "message withheld"
    assert "test_logs.py:" in line["at"]
    log.assert_clean()


def test_extra_fields_of_other_records_are_not_shown(log):
    logging.getLogger("library").warning(
        "odd", extra={"request": TEXT, "consumer": EMAIL, "crm_fields": TEXT}
    )
    log.assert_clean()


def test_djangos_lines_about_answers_are_left_to_the_requests_own_line(log):
    request = RequestFactory().get("/c/asha", {"q": EMAIL})
    for status, error in ((404, None), (403, PermissionError(TEXT)), (503, None)):
        answer = HttpResponse(status=status)
        log_response("%s: %s", "Odd", request.path, response=answer, request=request, exception=error)
    assert log.lines() == []


def test_djangos_line_about_a_foreign_host_is_clean(log):
    logging.getLogger("django.security.DisallowedHost").error(str(DisallowedHost(f"Invalid host: {TEXT!r}")))
    assert log.only()["component"] == "django.security.DisallowedHost"
    log.assert_clean()


def test_the_level_is_obeyed(log):
    configure(log, "warning")
    get_logger("x").info("quiet")
    logging.getLogger("library").info("quiet too")
    get_logger("x").warning("loud")
    assert [line["event"] for line in log.lines()] == ["loud"]
    configure(log, "DEBUG")
    get_logger("x").debug("details")
    assert log.lines()[-1]["event"] == "details"


def test_an_unknown_level_stops_the_start():
    with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL"):
        logging_config("LOUD")


def test_celerys_chatter_needs_debug(log):
    logging.getLogger("celery.app.trace").info("Task succeeded")
    assert log.stream.getvalue() == ""
    configure(log, "DEBUG")
    logging.getLogger("celery.app.trace").info("Task succeeded")
    assert log.only()["event"] == "Task succeeded"


def test_handlers_that_libraries_bring_are_taken_away(log):
    stray = io.StringIO()
    for name in ("celery", "granian.access", "django.server"):
        logging.getLogger(name).addHandler(logging.StreamHandler(stray))
        logging.getLogger(name).propagate = False
    configure(log, "INFO")
    for name in ("celery", "granian.access", "django.server"):
        logging.getLogger(name).warning("for %s", EMAIL)
    assert stray.getvalue() == ""
    assert len(log.lines()) == 3
    log.assert_clean()


def test_celery_leaves_logging_alone():
    assert signals.setup_logging.receivers


def test_a_plain_structlog_logger_is_redacted_too(log):
    structlog.get_logger("anything").warning("odd", address=EMAIL, text=TEXT)
    log.assert_clean()


@pytest.mark.parametrize(
    ("message", "arguments"),
    [("too few %s %s", (EMAIL,)), ("too many", (EMAIL,)), ("%(no)s", (EMAIL,)), (3, (EMAIL,))],
)
def test_a_record_that_does_not_fit_is_still_written(message, arguments):
    record = logging.LogRecord("library", logging.INFO, __file__, 1, message, arguments, None)
    assert "asha" not in logs.RedactingJsonFormatter().format(record)


def test_a_record_that_cannot_be_formatted_does_not_reach_stderr(log, capfd):
    class Hostile(dict):
        def items(self):
            raise RuntimeError(TEXT)

    logging.getLogger("library").error("odd", extra={"crm_fields": Hostile()})
    get_logger("x").error("lone surrogate", code="\ud800")
    assert [line["event"] for line in log.lines()] == ["unloggable record", "lone surrogate"]
    assert capfd.readouterr().err == ""


def test_it_is_cheap():
    """Thousands of lines a second on one core; the bound is loose so that a busy machine passes."""
    formatter = logs.RedactingJsonFormatter()
    record = logging.LogRecord("crm.x", logging.INFO, __file__, 1, "attempt recorded", None, None)
    record.crm_fields = {
        "communication_id": "0b6f0f0e-7a58-4a4e-9a51-1f0f7c9f2a11",
        "status": "sent",
        "count": 3,
    }
    clock = time.process_time
    started = clock()
    for _ in range(2000):
        formatter.format(record)
    assert (clock() - started) / 2000 < 0.0005
