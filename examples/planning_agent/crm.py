"""The planning agent's door to the CRM communication engine. Standard library only.

`CrmClient.tell` posts one message and returns a record for the workflow's state. It never raises: while the CRM is
down the workflow goes on, and its state says what was not said.
"""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from examples.planning_agent.state import CommunicationRecord, Reason

COMMUNICATIONS: Final = "/api/crm/communications"
TOKENS: Final = "/api/crm/token"
_TAKEN: Final = frozenset({200, 202})
_WORTH_REPEATING: Final = frozenset({429, 502, 503, 504})
_MAX_ANSWER_BYTES: Final = 1_000_000


class NotTaken(Exception):
    """Nothing confirms that the CRM took the message. The text goes into the state, for staff."""


@dataclass(frozen=True)
class ServiceAccount:
    """As `manage.py create_service_account` printed it."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Patience:
    """How long one message may hold the workflow up.

    Connecting and the call after it may each take `call_seconds` in all, however slowly the bytes come. Between
    attempts it waits `wait_seconds`, doubled each time, or what Retry-After asks; after `total_seconds` no further
    attempt begins. A CRM that stayed away gets one attempt for each later message, until it is back.
    """

    call_seconds: float = 4.0
    attempts: int = 3
    wait_seconds: float = 0.25
    total_seconds: float = 10.0


@dataclass(frozen=True)
class Message:
    """One thing to tell a client. What makes it a repeat is its content: no ids of runs, no times of generation."""

    plan_id: str
    client_id: str
    message_type: str
    context: Mapping[str, Any]
    client: Mapping[str, Any]

    def body(self) -> bytes:
        names = ("plan_id", "client_id", "message_type", "context", "client")
        return json.dumps({name: getattr(self, name) for name in names}, sort_keys=True).encode()

    def idempotency_key(self) -> str:
        """The same for the same message, so that a call whose answer got lost can be made again."""
        return f"{self.plan_id}:{self.message_type}:{sha256(self.body()).hexdigest()[:32]}"


@dataclass(frozen=True)
class _Answer:
    status: int
    retry_after_seconds: float
    body: dict[str, Any]
    """Empty where the answer was no JSON object."""


class CrmClient:
    """One workflow's client. Raises ValueError for an address or credentials that cannot work."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        account: ServiceAccount | None = None,
        patience: Patience = Patience(),
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("Give the CRM's address as http://host:port or https://host.")
        if not token and account is None:
            raise ValueError("Give an access token, or the name and secret of a service account.")
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._base_path = parts.path.rstrip("/")
        self._token = token
        self._account = account
        self._patience = patience
        self._attempts = patience.attempts

    def tell(self, message: Message) -> CommunicationRecord:
        """Asks the CRM to tell the client; a repeat of the same message is answered as a duplicate."""
        try:
            return _record(message, self._post(message))
        except NotTaken as failure:
            return _not_sent(message, str(failure))
        except Exception as error:  # whatever is wrong in here, the client's plan goes on
            return _not_sent(message, f"The CRM client failed: {type(error).__name__}.")

    def _post(self, message: Message) -> _Answer:
        deadline = time.monotonic() + self._patience.total_seconds
        body, key = message.body(), message.idempotency_key()
        answer = self._post_as_ourselves(body, key, deadline)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._account is not None:
            self._token = ""  # it ran out
            answer = self._post_as_ourselves(body, key, deadline)
        return answer

    def _post_as_ourselves(self, body: bytes, key: str, deadline: float) -> _Answer:
        if not self._token and self._account is not None:
            self._token = self._fetch_token(self._account, deadline)
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
        return self._call(COMMUNICATIONS, body, headers, deadline)

    def _fetch_token(self, account: ServiceAccount, deadline: float) -> str:
        body = json.dumps({"name": account.name, "secret": account.secret}).encode()
        answer = self._call(TOKENS, body, {}, deadline)
        access = answer.body.get("access")
        if answer.status != HTTPStatus.OK or not isinstance(access, str):
            raise NotTaken(_refusal(answer))
        return access

    def _call(self, path: str, body: bytes, headers: Mapping[str, str], deadline: float) -> _Answer:
        """The first answer that is worth having, or the last one. Raises NotTaken when there was none."""
        wait, attempt = self._patience.wait_seconds, 1
        while True:
            answer, failure = self._try(path, body, headers)
            if answer is not None and answer.status not in _WORTH_REPEATING:
                self._attempts = self._patience.attempts
                return answer
            pause = max(wait, answer.retry_after_seconds if answer else 0.0)
            if attempt >= self._attempts or time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
            wait, attempt = wait * 2, attempt + 1
        self._attempts = 1
        if answer is None:
            raise NotTaken(failure)
        return answer

    def _try(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[_Answer | None, str]:
        """One call: its answer, or why there is none."""
        try:
            return self._exchange(path, body, headers), ""
        except TimeoutError:
            return None, "The CRM did not answer in time; it may have taken the request all the same."
        except (OSError, http.client.HTTPException) as error:
            return None, f"The CRM was not reached or broke off: {error or type(error).__name__}."

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> _Answer:
        seconds = self._patience.call_seconds
        if self._tls is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=seconds, context=self._tls
            )
        sent = {"Accept": "application/json", "Content-Type": "application/json", "Connection": "close"}
        with contextlib.closing(connection):
            connection.connect()
            with _cut_off_after(seconds, connection.sock):
                connection.request("POST", self._base_path + path, body, {**sent, **headers})
                with connection.getresponse() as response:
                    said = response.read(_MAX_ANSWER_BYTES)
                    if response.length and len(said) < _MAX_ANSWER_BYTES:
                        raise http.client.IncompleteRead(said, response.length)
                return _Answer(response.status, _seconds(response.getheader("Retry-After")), _parse(said))


@contextlib.contextmanager
def _cut_off_after(seconds: float, connected: socket.socket) -> Iterator[None]:
    """The socket's own limit is for each read: a server that drips bytes never meets it. Raises TimeoutError."""
    is_cut = threading.Event()

    def cut() -> None:
        is_cut.set()
        with contextlib.suppress(OSError):  # it has ended by itself
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError):
        if not is_cut.is_set():
            raise
    finally:
        timer.cancel()
    if is_cut.is_set():
        raise TimeoutError


def _seconds(retry_after: str | None) -> float:
    """Retry-After in its form of seconds; the other form, a date, counts as no wish."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else 0.0


def _parse(said: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(said)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _record(message: Message, answer: _Answer) -> CommunicationRecord:
    status = answer.body.get("status")
    if answer.status not in _TAKEN or not isinstance(status, str):
        raise NotTaken(_refusal(answer))
    return {
        "message_type": message.message_type,
        "status": status,
        "communication_id": _text(answer.body.get("communication_id")),
        "channel": _text(answer.body.get("channel_used")),
        "scheduled_at": _instant(answer.body.get("scheduled_at")),
        "sent_at": _instant(answer.body.get("sent_at")),
        "duplicate": answer.body.get("duplicate") is True,
        "reasons": _reasons(answer.body.get("strategy")),
        "error": _text(answer.body.get("error_message")),
    }


def _not_sent(message: Message, error: str) -> CommunicationRecord:
    return {
        "message_type": message.message_type,
        "status": "not_sent",
        "communication_id": None,
        "channel": None,
        "scheduled_at": None,
        "sent_at": None,
        "duplicate": False,
        "reasons": [],
        "error": error,
    }


def _refusal(answer: _Answer) -> str:
    """A problem (RFC 9457) in one sentence."""
    detail = _text(answer.body.get("detail"))
    if detail is None:
        return f"The CRM answered {answer.status} with something that cannot be read."
    errors = answer.body.get("errors")
    named = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    fields = "; ".join(f"{error.get('field')}: {error.get('message')}" for error in named)
    return f"The CRM answered {answer.status}: {detail}" + (f" ({fields})" if fields else "")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _instant(value: object) -> str | None:
    """In UTC and in one form, so that instants compare as texts do."""
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        return None


def _reasons(strategy: object) -> list[Reason]:
    reasons = strategy.get("reasons") if isinstance(strategy, dict) else None
    return [
        {"code": str(item.get("code", "")), "text": str(item.get("text", ""))}
        for item in (reasons if isinstance(reasons, list) else [])
        if isinstance(item, dict)
    ]
