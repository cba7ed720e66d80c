"""The sandbox inside a test process: a thread with its own event loop, spoken to by plain calls."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

from sandbox.messaging.behaviour import parse_behaviour as parse_messaging_behaviour
from sandbox.server import Config, Server
from sandbox.smtp.behaviour import parse_behaviour

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """One mail as `GET /smtp/messages` lists it, with `raw` byte for byte."""

    id: int
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    received_at: datetime
    raw: bytes

    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)


class Sandbox:
    """A running sandbox. Its methods mirror the control API and may be called from any thread."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.http_url = server.http_url
        self.smtp_host = server.smtp.host
        self.smtp_port = server.smtp.port
        self.urls = {name: stand_in.url for name, stand_in in server.messaging.items()}

    def messages(self, *, since: int = 0, message_id: str | None = None) -> list[CaughtMail]:
        """Newest last; `since` leaves out that id and older ones."""
        return self._in_loop(lambda: self._collect(since, message_id))

    def clear(self) -> None:
        self._in_loop(self._server.smtp.store.clear)

    def behave(self, mode: str, **fields: object) -> None:
        """The fields of `PUT /smtp/behaviour`; `BehaviourError` says what is allowed."""
        behaviour = parse_behaviour({"mode": mode, **fields})
        self._in_loop(lambda: self._server.smtp.control.set(behaviour))

    def behaviour(self) -> dict[str, object]:
        return self._in_loop(self._server.smtp.control.current.as_json)

    def texts(self, provider: str) -> list[dict[str, Any]]:
        """As `GET /{provider}/messages` lists them."""
        return self._in_loop(
            lambda: [
                each.as_json() for each in self._server.ledger.messages.values() if each.provider == provider
            ]
        )

    def clear_texts(self) -> None:
        def clear() -> None:
            for provider in self.urls:
                self._server.ledger.clear(provider)

        self._in_loop(clear)

    def behave_as(self, provider: str, mode: str, **fields: object) -> None:
        """The fields of `PUT /{provider}/behaviour`."""
        behaviour = parse_messaging_behaviour({"mode": mode, **fields})
        stand_in = self._server.messaging[provider]
        asyncio.run_coroutine_threadsafe(stand_in.behave(behaviour), self._loop).result(timeout=60)

    def answer(self, number: str, *, channel: str, text: str = "", button: str = "") -> None:
        """The client writes, as `POST /phone/{number}/reply`."""
        self._in_loop(lambda: self._server.phone.answer(number, channel=channel, text=text, button=button))

    def _collect(self, since: int, message_id: str | None) -> list[CaughtMail]:
        store = self._server.smtp.store
        found = []
        for number in store.ids(since=since, message_id=message_id):
            facts, raw = store.get(number), store.raw(number)
            if facts is not None and raw is not None:
                found.append(
                    CaughtMail(
                        id=facts.id,
                        sender=facts.sender,
                        recipients=facts.recipients,
                        message_id=facts.message_id,
                        received_at=facts.received_at,
                        raw=raw,
                    )
                )
        return found

    def _in_loop(self, call: Callable[[], T]) -> T:
        async def run() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=60)


class _Host:
    """A thread that owns the loop. What goes wrong in it is raised by `start` or `stop`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._settled = threading.Event()
        self._sandbox: Sandbox | None = None
        self._failure: BaseException | None = None

    def start(self) -> Sandbox:
        self._thread.start()
        self._settled.wait()
        if self._sandbox is None:
            self._join()
            raise RuntimeError("The sandbox ended before it was ready")
        return self._sandbox

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._join()

    def _join(self) -> None:
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._settled.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        server = Server(self._config)
        await server.start()
        try:
            self._sandbox = Sandbox(server, self._loop)
            self._settled.set()
            await self._ending.wait()
        finally:
            await server.stop()


@contextmanager
def running_sandbox(state_dir: Path, **options: Any) -> Iterator[Sandbox]:
    """With `options` of its `Config`. Everything it opened is closed when the block ends; what was caught stays in
    `state_dir`."""
    host = _Host(Config(state_dir, **options))
    running = host.start()
    try:
        yield running
    finally:
        host.stop()
