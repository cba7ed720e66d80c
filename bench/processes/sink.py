"""An SMTP server that takes every message and keeps none: fast, and able to fail at an exact point.

Standard library only. It prints its port, then answers lines on standard input: `count` with the number of messages
taken so far, `behave {...}` with nothing. With a file as argument it writes one JSON line for each message there.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

_END_OF_DATA = b"\r\n.\r\n"
_PIPELINED = b"250-sink.invalid\r\n250-PIPELINING\r\n250-SIZE 41943040\r\n250 8BITMIME\r\n"


@dataclass
class Behaviour:
    """Shares of the messages. `slow` ones are answered after `slow_seconds`, the others after `latency_seconds`."""

    latency_seconds: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 0.0
    drop_before_data: float = 0.0
    drop_after_data: float = 0.0


class Sink:
    """What the connections share."""

    def __init__(self, record: str | None, seed: int) -> None:
        self.behaviour = Behaviour()
        self.taken = self.dropped_before = self.dropped_after = 0
        self.random = random.Random(seed)
        self._record = (
            os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if record is not None else None
        )

    def note(self, facts: dict[str, Any]) -> None:
        if self._record is not None:
            os.write(self._record, json.dumps(facts).encode() + b"\n")

    @property
    def records(self) -> bool:
        return self._record is not None

    def obey(self, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        if word == "behave":
            self.behaviour = Behaviour(**json.loads(rest))
        answer = {"taken": self.taken, "before": self.dropped_before, "after": self.dropped_after}
        print(json.dumps(answer), flush=True)


class Connection(asyncio.Protocol):
    """One client. The answer to a command is written before the next is read."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._scanned = 0
        self._in_data = False
        self._waiting: asyncio.TimerHandle | None = None
        self._facts: dict[str, Any] = {}
        self._verbs: dict[bytes, Callable[[bytes], bytes]] = {
            b"EHLO": lambda _: _PIPELINED,
            b"HELO": lambda _: b"250 sink.invalid\r\n",
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"QUIT": lambda _: b"221 2.0.0 Bye\r\n",
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink.invalid ESMTP\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        if self._waiting is not None:  # whoever sent it is gone and never learns that it was taken
            self._waiting.cancel()
            self._waiting = None
            self._note("unheard")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._waiting is None and not self._transport.is_closing():
            if not (self._take_data() if self._in_data else self._take_command()):
                return

    def _take_command(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        verb = line[:4].upper()
        if verb == b"DATA":
            self._data()
        else:
            known = self._verbs.get(verb)
            self._transport.write(known(line) if known else b"250 2.0.0 Ok\r\n")
            if verb == b"QUIT":
                self._transport.close()
        return True

    def _mail(self, _line: bytes) -> bytes:
        self._facts = {"mail_at": time.time()}
        return b"250 2.1.0 Ok\r\n"

    def _rcpt(self, line: bytes) -> bytes:
        self._facts["to"] = line[line.find(b"<") + 1 : line.rfind(b">")].decode("ascii", "replace")
        return b"250 2.1.5 Ok\r\n"

    def _data(self) -> None:
        share = self._sink.behaviour.drop_before_data
        if share and self._sink.random.random() < share:
            self._sink.dropped_before += 1
            self._transport.close()
            return
        self._facts["data_at"] = time.time()
        self._buffer[:0] = b"\r\n"  # the line break before the final dot may be the command's own
        self._scanned = 0
        self._in_data = True
        self._transport.write(b"354 Go on\r\n")

    def _take_data(self) -> bool:
        end = self._buffer.find(_END_OF_DATA, max(0, self._scanned - len(_END_OF_DATA)))
        if end < 0:
            self._scanned = len(self._buffer)
            return False
        if self._sink.records:
            self._facts |= {"at": time.time(), "message_id": _message_id(bytes(self._buffer[:4096]))}
        del self._buffer[: end + len(_END_OF_DATA)]
        self._in_data = False
        self._sink.taken += 1
        self._end_of_data()
        return True

    def _end_of_data(self) -> None:
        behaviour, draw = self._sink.behaviour, self._sink.random.random()
        if behaviour.drop_after_data and draw < behaviour.drop_after_data:
            self._sink.dropped_after += 1
            self._note("dropped")
            self._transport.close()
            return
        slow = behaviour.slow and self._sink.random.random() < behaviour.slow
        seconds = behaviour.slow_seconds if slow else behaviour.latency_seconds
        if seconds:
            self._waiting = asyncio.get_running_loop().call_later(seconds, self._answer_later)
        else:
            self._answer()

    def _answer_later(self) -> None:
        self._waiting = None
        self._answer()
        self.data_received(b"")

    def _answer(self) -> None:
        self._note("answered")
        self._transport.write(b"250 2.0.0 Taken\r\n")

    def _note(self, answer: str) -> None:
        if self._sink.records:
            self._sink.note(self._facts | {"answer": answer})


def _message_id(head: bytes) -> str:
    start = head.lower().find(b"\r\nmessage-id:")
    if start < 0:
        return ""
    return head[start + 13 : head.find(b"\r\n", start + 13)].strip().decode("ascii", "replace")


async def serve(record: str | None, seed: int) -> None:
    loop = asyncio.get_running_loop()
    sink = Sink(record, seed)
    server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        sink.obey(line.decode())


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2] if len(sys.argv) > 2 else None, int(sys.argv[1])))
