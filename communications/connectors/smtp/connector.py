"""Plain SMTP. What can be told apart is told apart: not reached, refused, taken, and not knowable."""

import contextlib
import smtplib
import ssl
import threading
import time
from collections import deque

from communications.choices import OutcomeClass
from communications.connectors.base import Outcome, OutgoingMessage
from communications.connectors.smtp.connection import SmtpConnection, SmtpSettings, TlsNotOfferedError
from communications.connectors.smtp.replies import Stage, classify, reply_code
from communications.connectors.watchdog import Watchdog
from core.choices import Channel

_CLOSING = 421  # the server shuts the channel down after this reply
# In their order, with the first digit of the reply that lets the dialogue go on (RFC 5321, section 4.3.2).
_WANTED = {Stage.MAIL: 2, Stage.RCPT: 2, Stage.DATA: 3}


class SmtpConnector:
    """Sends over pooled connections. Threads share it; every connection serves one call at a time."""

    name = "smtp"
    channel = Channel.EMAIL

    def __init__(
        self, settings: SmtpSettings, *, concurrency: int = 16, call_limit_seconds: float = 30.0
    ) -> None:
        self.concurrency = concurrency
        self._settings = settings
        self._call_limit_seconds = call_limit_seconds
        self._idle: deque[SmtpConnection] = deque()
        self._lock = threading.Lock()
        self._watchdog = Watchdog()

    def send(self, message: OutgoingMessage) -> Outcome:
        call = _Call(self, message, deadline=time.monotonic() + self._call_limit_seconds)
        return call.run()

    def close(self) -> None:
        with self._lock:
            connections, self._idle = list(self._idle), deque()
        for connection in connections:
            connection.close()
        self._watchdog.close()

    def take_idle(self) -> SmtpConnection | None:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None or connection.reusable:
                return connection
            connection.close()

    def new_connection(self) -> SmtpConnection:
        return SmtpConnection(self._settings)

    def give_back(self, connection: SmtpConnection) -> None:
        connection.last_used = time.monotonic()
        with self._lock:
            if len(self._idle) < self.concurrency:
                self._idle.append(connection)
                return
        connection.close()

    def watched(self, connection: SmtpConnection, deadline: float) -> contextlib.AbstractContextManager[None]:
        return self._watchdog.bound(connection.abort, deadline)


class _ConnectionLostError(Exception):
    """The connection ended before the message could be taken."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class _Call:
    """One message over one connection, and how sure we are of its end."""

    def __init__(self, connector: SmtpConnector, message: OutgoingMessage, *, deadline: float) -> None:
        self._connector = connector
        self._message = message
        self._deadline = deadline

    def run(self) -> Outcome:
        pooled = self._connector.take_idle()
        if pooled is not None:
            # A server may have hung up on a connection that lay idle. Until DATA was answered nothing can have
            # been taken, so one fresh try is safe.
            with contextlib.suppress(_ConnectionLostError):
                return self._over(pooled)
        connection = self._connector.new_connection()
        try:
            with self._connector.watched(connection, self._deadline):
                connection.open(self._remaining())
        except (smtplib.SMTPException, OSError) as error:
            connection.close()
            return _not_opened(error)
        try:
            return self._over(connection)
        except _ConnectionLostError as lost:
            return lost.outcome

    def _over(self, connection: SmtpConnection) -> Outcome:
        with self._connector.watched(connection, self._deadline):
            refused = self._announce(connection)
            outcome = refused or self._transfer(connection)
        if connection.usable:
            self._connector.give_back(connection)
        return outcome

    def _announce(self, connection: SmtpConnection) -> Outcome | None:
        """MAIL, RCPT, DATA. None: the server waits for the message."""
        replies = connection.announce(self._message.sender, self._message.recipient)
        for stage, wanted in _WANTED.items():
            try:
                connection.limit(self._remaining())
                code, text = next(replies)
            except (smtplib.SMTPException, OSError) as error:
                connection.close()
                raise _ConnectionLostError(
                    Outcome(OutcomeClass.TRANSIENT, code=_error_code(error))
                ) from error
            if wanted == code // 100:
                continue
            outcome = Outcome(classify(code, text, stage), code=reply_code(code, text), text=text)
            if code == _CLOSING or not 400 <= code <= 599:
                connection.close()
                raise _ConnectionLostError(outcome)
            connection.reset()
            return outcome
        return None

    def _transfer(self, connection: SmtpConnection) -> Outcome:
        if self._remaining() <= 0:
            # Not a byte of it has left: better late than in doubt.
            connection.close()
            return Outcome(OutcomeClass.TRANSIENT, code="time_limit")
        try:
            connection.limit(self._remaining())
            code, text = connection.body(self._message.payload)
        except (smtplib.SMTPException, OSError) as error:
            connection.close()
            return Outcome(OutcomeClass.AMBIGUOUS, code=_error_code(error))
        if 200 <= code < 300:
            return Outcome(
                OutcomeClass.ACCEPTED,
                code=reply_code(code, text),
                provider_message_id=self._message.message_id.strip("<>"),
                text=text,
            )
        if not 400 <= code <= 599:
            # Neither taken nor refused: whoever answers so may have it.
            connection.close()
            return Outcome(OutcomeClass.AMBIGUOUS, code=str(code), text=text)
        return Outcome(classify(code, text, Stage.END_OF_DATA), code=reply_code(code, text), text=text)

    def _remaining(self) -> float:
        return self._deadline - time.monotonic()


def _not_opened(error: smtplib.SMTPException | OSError) -> Outcome:
    """Nothing left us: refused sign-in and broken TLS are settings to mend, the rest passes by itself."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        text = _text_of(error)
        return Outcome(
            classify(error.smtp_code, text, Stage.AUTH), code=reply_code(error.smtp_code, text), text=text
        )
    if isinstance(error, smtplib.SMTPResponseException):
        text = _text_of(error)
        return Outcome(
            classify(error.smtp_code, text, Stage.CONNECT), code=reply_code(error.smtp_code, text), text=text
        )
    if isinstance(error, ssl.SSLCertVerificationError | TlsNotOfferedError | smtplib.SMTPNotSupportedError):
        return Outcome(OutcomeClass.CONFIG, code=_error_code(error))
    return Outcome(OutcomeClass.TRANSIENT, code=_error_code(error))


def _text_of(error: smtplib.SMTPResponseException) -> str:
    reply = error.smtp_error
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


def _error_code(error: Exception) -> str:
    return type(error).__name__
