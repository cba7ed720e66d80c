"""One SMTP connection (RFC 5321), written for speed and for failing at an exact point of the dialogue.

Servers that read line by line pay for each line of a mail, and leave no say over the greeting or the moment
before 354. Here the end of the data is looked up in what has arrived, and every stage asks `Control` first.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from sandbox.smtp.behaviour import Behaviour, Control, Mode, Stage
from sandbox.smtp.store import MessageStore

MAX_MESSAGE_BYTES = 40 * 1024 * 1024
MAX_LINE_BYTES = 4096
MAX_RECIPIENTS = 1000
HOST_NAME = "sandbox.invalid"

_PATH = re.compile(r'(?:FROM|TO): ?<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?: +(.*))?', re.IGNORECASE)
_SIZE = re.compile(r"\bSIZE=([0-9]{1,15})\b", re.IGNORECASE)
_END_OF_DATA = b"\r\n.\r\n"


class SmtpConnection(asyncio.Protocol):
    """Adds itself to `connections` while it is open."""

    def __init__(self, *, store: MessageStore, control: Control, connections: set["SmtpConnection"]) -> None:
        self._store = store
        self._control = control
        self._connections = connections
        self._buffer = bytearray()
        self._scanned = 0
        self._greeted = self._receiving = self._oversized = False
        self._waiting: asyncio.TimerHandle | None = None
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._drawn: Behaviour | None = None
        self._has_drawn = False

    # asyncio's side of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        refused = self._control.draw(Stage.CONNECT)
        if refused:
            self._reply(f"{refused.code} {refused.text}")
            self._transport.close()
        else:
            self._reply(f"220 {HOST_NAME} ESMTP sandbox: keeps every mail, delivers none")

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self)
        if self._waiting:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._waiting:
            self._transport.resume_reading()

    def abort(self) -> None:
        self._transport.abort()

    # The dialogue

    def _go_on(self) -> None:
        """Takes as many commands and mails as the buffer holds."""
        while not self._transport.is_closing() and not self._waiting:
            if not (self._take_data() if self._receiving else self._take_command()):
                return

    def _reply(self, text: str) -> None:
        self._transport.write(text.encode() + b"\r\n")

    def _refuse(self, behaviour: Behaviour) -> None:
        self._reply(f"{behaviour.code} {behaviour.text}")
        if behaviour.code == 421:  # "closing transmission channel" (RFC 5321 §3.8)
            self._transport.close()

    def _draw(self, stage: Stage) -> Behaviour | None:
        """What to do to this message at `stage`. It is drawn once, however many recipients it names."""
        if not self._has_drawn and self._control.current.acts_at is stage:
            self._has_drawn = True
            self._drawn = self._control.draw(stage)
        return self._drawn if self._drawn and self._drawn.acts_at is stage else None

    def _take_command(self) -> bool:
        end = self._buffer.find(b"\n")
        if max(end, 0 if end >= 0 else len(self._buffer)) > MAX_LINE_BYTES:
            self._reply("500 5.5.2 The line is too long")
            self._transport.close()
            return False
        if end < 0:
            return False
        line = self._buffer[:end].decode("utf-8", "backslashreplace").strip()
        del self._buffer[: end + 1]
        verb, _, rest = line.partition(" ")
        command = self._COMMANDS.get(verb.upper())
        if command:
            command(self, rest.strip())
        else:
            self._reply("500 5.5.2 Command not known")
        return True

    def _take_data(self) -> bool:
        end = self._buffer.find(_END_OF_DATA, max(0, self._scanned - len(_END_OF_DATA)))
        if end < 0:
            if len(self._buffer) > MAX_MESSAGE_BYTES:
                self._oversized = True
                del self._buffer[: 1 - len(_END_OF_DATA)]
            self._scanned = len(self._buffer)
            return False
        if end > MAX_MESSAGE_BYTES:
            self._oversized = True
        # A line that begins with a dot was sent with one more (RFC 5321 §4.5.2).
        raw = bytes(self._buffer[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        del self._buffer[: end + len(_END_OF_DATA)]
        self._receiving = False
        self._end_of_data(raw)
        return True

    def _end_of_data(self, raw: bytes) -> None:
        behaviour = self._draw(Stage.END_OF_DATA)
        if self._oversized:
            self._reply("552 5.3.4 The message is too large")
        elif behaviour and behaviour.mode is Mode.REFUSE:
            self._refuse(behaviour)
        else:
            self._keep(raw, behaviour)
        self._forget_transaction()

    def _keep(self, raw: bytes, behaviour: Behaviour | None) -> None:
        """Records the mail before any answer: it was received, whatever the sender gets to hear."""
        try:
            number = self._store.append(
                sender=self._sender or "", recipients=self._recipients, raw=raw, now=datetime.now(UTC)
            )
        except OSError:
            self._reply("452 4.3.1 The sandbox cannot write to its state directory")
            return
        accepted = f"250 2.0.0 Kept as {number}"
        if behaviour and behaviour.mode is Mode.DROP_AFTER_DATA:
            self._transport.close()
        elif behaviour and behaviour.mode is Mode.DELAY:
            self._transport.pause_reading()
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(behaviour.seconds, self._end_wait, accepted)
        else:
            self._reply(accepted)

    def _end_wait(self, answer: str) -> None:
        self._waiting = None
        self._reply(answer)
        self._transport.resume_reading()
        self._go_on()

    # The commands

    def _ehlo(self, _rest: str) -> None:
        self._greeted = True
        self._forget_transaction()
        offers = [HOST_NAME, "PIPELINING", f"SIZE {MAX_MESSAGE_BYTES}", "8BITMIME", "SMTPUTF8"]
        self._reply("\r\n".join(f"250-{offer}" for offer in offers) + "\r\n250 ENHANCEDSTATUSCODES")

    def _helo(self, _rest: str) -> None:
        self._greeted = True
        self._forget_transaction()
        self._reply(f"250 {HOST_NAME}")

    def _mail(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        announced = _SIZE.search(path[2] or "") if path else None
        if not self._greeted or self._sender is not None:
            self._reply("503 5.5.1 Send EHLO first and one MAIL for each message")
        elif not path or not rest.upper().startswith("FROM"):
            self._reply("501 5.5.4 Write MAIL FROM:<address>")
        elif announced and int(announced[1]) > MAX_MESSAGE_BYTES:
            self._reply("552 5.3.4 The message is too large")
        elif refused := self._draw(Stage.MAIL):
            self._refuse(refused)
            self._forget_transaction()
        else:
            self._sender = path[1]
            self._reply("250 2.1.0 Sender ok")

    def _rcpt(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        if self._sender is None:
            self._reply("503 5.5.1 Send MAIL first")
        elif not path or not path[1] or not rest.upper().startswith("TO"):
            self._reply("501 5.5.4 Write RCPT TO:<address>")
        elif len(self._recipients) >= MAX_RECIPIENTS:
            self._reply("452 4.5.3 Too many recipients")
        elif refused := self._draw(Stage.RCPT):
            self._refuse(refused)
        else:
            self._recipients.append(path[1])
            self._reply("250 2.1.5 Recipient ok")

    def _data(self, _rest: str) -> None:
        if not self._recipients:
            self._reply("503 5.5.1 Send MAIL and an accepted RCPT first")
            return
        behaviour = self._draw(Stage.DATA)
        if behaviour and behaviour.mode is Mode.DROP_BEFORE_DATA:
            self._transport.close()
        elif behaviour:
            self._refuse(behaviour)
            self._forget_transaction()
        else:
            # The line break of the command itself may be the one before the final dot.
            self._buffer[:0] = b"\r\n"
            self._scanned = 0
            self._oversized = False
            self._receiving = True
            self._reply("354 End with a dot on a line of its own")

    def _rset(self, _rest: str) -> None:
        self._forget_transaction()
        self._reply("250 2.0.0 Forgotten")

    def _noop(self, _rest: str) -> None:
        self._reply("250 2.0.0 Ok")

    def _vrfy(self, _rest: str) -> None:
        self._reply("252 2.5.0 Every address is taken")

    def _quit(self, _rest: str) -> None:
        self._reply("221 2.0.0 Bye")
        self._transport.close()

    def _not_offered(self, _rest: str) -> None:
        self._reply("502 5.5.1 Not offered here")

    _COMMANDS: dict[str, Callable[["SmtpConnection", str], None]] = {
        "EHLO": _ehlo,
        "HELO": _helo,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _data,
        "RSET": _rset,
        "NOOP": _noop,
        "VRFY": _vrfy,
        "QUIT": _quit,
        "STARTTLS": _not_offered,
        "AUTH": _not_offered,
    }
