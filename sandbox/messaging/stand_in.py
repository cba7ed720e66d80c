"""A messaging provider's stand-in: an API on a port of its own, which can be closed, and the control API beside it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sandbox.fields import BehaviourError
from sandbox.messaging.behaviour import Behaviour, Control, Mode, parse_behaviour
from sandbox.messaging.callbacks import Callback, Postman
from sandbox.messaging.ledger import Ledger, PhoneMessage
from sandbox.web import HangUp, HttpError, HttpServer, Request, Response, Route, json_response


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stand-in listens (port 0 takes a free one), and under which address the product takes callbacks that no
    request names; empty: nobody is told."""

    host: str
    port: int = 0
    webhooks_url: str = ""


class MessagingStandIn:
    """What the providers have in common. Belongs to one event loop."""

    name: str
    channel: str
    business: str

    def __init__(self, *, ledger: Ledger, place: Place) -> None:
        self.ledger = ledger
        self.control = Control()
        self.postman = Postman()
        self.host, self.port = place.host, place.port
        self.webhooks_url = place.webhooks_url
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def api_routes(self) -> Sequence[Route]:
        """The provider's own API."""
        raise NotImplementedError

    def callbacks(self, message: PhoneMessage, error: int | None) -> Sequence[Callback]:
        """What the product is told of a message that was taken, in realistic order; `error`: it does not arrive."""
        raise NotImplementedError

    def told_by_receipt(self, code: int) -> bool:
        """Whether the provider takes the message and tells this error later."""
        raise NotImplementedError

    def receive(self, *, number: str, text: str, button: str) -> PhoneMessage:
        """The client at `number` writes, or chooses the button of that id. HttpError where there is no such button."""
        raise NotImplementedError

    def routes(self) -> Sequence[Route]:
        base = f"/{self.name}"
        return [
            Route("GET", f"{base}/messages", self._list),
            Route("DELETE", f"{base}/messages", self._clear),
            Route("GET", f"{base}/behaviour", self._show_behaviour),
            Route("PUT", f"{base}/behaviour", self._put_behaviour),
        ]

    def health(self) -> dict[str, object]:
        return {"host": self.host, "port": self.port, "messages": len(self._mine())}

    async def start(self) -> None:
        """After this `port` is the one that is listened on."""
        self._server = HttpServer(self.api_routes())
        self.port = await self._server.start(host=self.host, port=self.port)

    async def stop(self) -> None:
        await self.postman.stop()
        await self._close()

    async def behave(self, behaviour: Behaviour) -> None:
        self.control.set(behaviour)
        if behaviour.mode is Mode.UNREACHABLE:
            await self._close()
        elif self._server is None:
            await self.start()

    async def treat(
        self, take: Callable[[], tuple[PhoneMessage, Response]], refuse: Callable[[int], Response]
    ) -> Response:
        """A valid request, as the behaviour in force wants it."""
        behaviour = self.control.draw()
        fails = behaviour.mode is Mode.ERROR
        by_receipt = fails and self._by_receipt(behaviour)
        if fails and not by_receipt:
            return bare_status(behaviour.code) or refuse(behaviour.code)
        message, response = take()
        self.postman.post(
            self.callbacks(message, behaviour.code if by_receipt else None),
            reorder=behaviour.mode is Mode.REORDER,
            repeat=behaviour.mode is Mode.REPEAT,
        )
        if behaviour.mode in {Mode.HANG, Mode.LATE}:
            await asyncio.sleep(behaviour.seconds)
        if behaviour.mode is Mode.HANG:
            raise HangUp
        return response

    def _by_receipt(self, behaviour: Behaviour) -> bool:
        if behaviour.receipt is not None:
            return behaviour.receipt
        return self.told_by_receipt(behaviour.code)

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    def _mine(self) -> list[PhoneMessage]:
        return self.ledger.find(lambda message: message.provider == self.name)

    async def _list(self, request: Request) -> Response:
        """A JSON array of what was sent and received here, newest last; `since` leaves out that id and older."""
        since = request.query.get("since", "0")
        if set(request.query) - {"since"} or not (since.isascii() and since.isdigit() and len(since) < 16):
            raise HttpError(400, "since, a whole number, is the only filter.")
        return json_response([each.as_json() for each in self._mine() if each.id > int(since)])

    async def _clear(self, _request: Request) -> Response:
        return json_response({"deleted": self.ledger.clear(self.name)})

    async def _show_behaviour(self, _request: Request) -> Response:
        return json_response(self.control.current.as_json())

    async def _put_behaviour(self, request: Request) -> Response:
        try:
            await self.behave(parse_behaviour(request.json()))
        except BehaviourError as error:
            raise HttpError(400, str(error)) from None
        return json_response(self.control.current.as_json())


def bare_status(code: int) -> Response | None:
    """A status as a load balancer answers it, without the provider's error object; None for a provider's code."""
    if not 400 <= code <= 599:
        return None
    return Response(b"<html><body>upstream trouble</body></html>", "text/html", code)


def phone_path(number: str) -> str:
    return f"/phone/{quote(number, safe='+')}"
