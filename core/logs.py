"""Logging: JSON lines on stderr that hold references only (what may stand in one: core.redaction)."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from structlog.typing import EventDict

from core.redaction import allowed_fields, describe_exception, foreign_event, scrub

# Loggers that come with handlers of their own; theirs are taken away so that every line passes ours.
_TAKEN_OVER = (
    "_granian",
    "celery",
    "celery.redirected",
    "celery.task",
    "django",
    "django.server",
    "granian",
    "granian.access",
    "multiprocessing",
    "py.warnings",
)
# Two lines per sweep every five seconds; shown with LOG_LEVEL=DEBUG.
_CHATTY = ("celery.app.trace", "celery.beat", "celery.worker.strategy", "httpx")
# Two lines a second and process while the database is away; heartbeats, tasks and requests say it once.
_REPETITIVE = ("psycopg.pool",)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class UnhandledOnly(logging.Filter):
    """Of Django's lines about answers, only those about an exception that no view handled.

    The others repeat, with the path and without what may be said of it, what the request's own line says.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or not record.exc_info:
            return False
        # Django's text is made of the path; what happened is in the exception's type and places.
        record.msg, record.args, record.crm_fields = "unexpected error", (), {}
        return True


class RedactingJsonFormatter(logging.Formatter):
    """One JSON object per record: timestamp, level, event, component, then references of the context."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return json.dumps(self._line(record))
        except Exception as error:
            # A formatter that raises makes logging print the raw record.
            return json.dumps({"level": "error", "event": "unloggable record", "error": type(error).__name__})

    def _line(self, record: logging.LogRecord) -> dict[str, Any]:
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, "crm_fields", None)
        if isinstance(fields, dict):
            line |= {"event": scrub(str(record.msg)), "component": record.name.removeprefix("crm.")}
            line |= allowed_fields(structlog.contextvars.get_contextvars())
            line |= allowed_fields(fields)
        else:
            line |= foreign_event(record) | {"component": record.name}
            line |= allowed_fields(structlog.contextvars.get_contextvars())
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = describe_exception(record.exc_info[1])
        return line


def logging_config(level: str) -> dict[str, Any]:
    """A dictConfig: everything, also what other libraries log, goes through one formatter at `level`."""
    level = level.upper()
    if level not in _LEVELS:
        raise ImproperlyConfigured(f"LOG_LEVEL is {level!r}; it must be one of {', '.join(_LEVELS)}.")
    taken_over = {name: {"handlers": [], "level": "NOTSET", "propagate": True} for name in _TAKEN_OVER}
    chatty = {name: {"level": "WARNING"} for name in _CHATTY} if level == "INFO" else {}
    if level != "DEBUG":
        chatty |= {name: {"level": "ERROR"} for name in _REPETITIVE}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"unhandled": {"()": "core.logs.UnhandledOnly"}},
        "formatters": {"json": {"()": "core.logs.RedactingJsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": taken_over | chatty | {"django.request": {"filters": ["unhandled"]}},
    }


def get_logger(component: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry `component`. Events are constant texts; values go into fields."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"crm.{component}")
    return logger


def _to_record(_logger: Any, _method: str, event_dict: EventDict) -> tuple[tuple[Any, ...], dict[str, Any]]:
    exc_info = event_dict.pop("exc_info", None)
    event = event_dict.pop("event", "")
    return (event,), {"extra": {"crm_fields": dict(event_dict)}, "exc_info": exc_info}


def install_hooks() -> None:
    """Sends warnings and uncaught errors through the log, where they lose their messages."""
    logging.captureWarnings(True)
    # Else a handler that cannot write prints the raw record.
    logging.raiseExceptions = False
    sys.excepthook = _log_uncaught
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger("uncaught").critical("uncaught error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        get_logger("uncaught").critical(
            "uncaught error in a thread", exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    if unraisable.exc_value is not None:
        get_logger("uncaught").error("error that nobody could catch", exc_info=unraisable.exc_value)


structlog.configure(
    processors=[structlog.stdlib.filter_by_level, _to_record],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
