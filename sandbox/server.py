"""All stand-ins behind one HTTP port. A new provider is one package and one line in `Server`."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol, TypeVar

from sandbox.messaging.ledger import Ledger
from sandbox.messaging.stand_in import MessagingStandIn, Place
from sandbox.phone.pages import Phone
from sandbox.smtp.catcher import SmtpCatcher
from sandbox.telnyx.stand_in import TelnyxStandIn
from sandbox.twilio.stand_in import TwilioStandIn
from sandbox.web import HttpServer, Request, Response, Route, json_response, redirect

T = TypeVar("T")


class StandIn(Protocol):
    """What a provider's package offers. Its addresses begin with /<its name>/."""

    def routes(self) -> Sequence[Route]: ...
    def health(self) -> dict[str, object]: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Config:
    """Port 0 takes a free one. `webhooks_url` is where the product takes callbacks, as in
    http://127.0.0.1:8000/api/crm/webhooks; empty: nobody is told what no request names an address for."""

    state_dir: Path
    host: str = "127.0.0.1"
    http_port: int = 0
    smtp_port: int = 0
    twilio_port: int = 0
    telnyx_port: int = 0
    webhooks_url: str = ""


class PortInUseError(Exception):
    """Says which port to change."""


class Server:
    def __init__(self, config: Config) -> None:
        """Opens the state directory; `StateInUseError` when another process has it."""
        self.config = config
        self.smtp = SmtpCatcher(state_dir=config.state_dir, host=config.host, port=config.smtp_port)
        self.ledger = Ledger(config.state_dir)
        self.messaging: dict[str, MessagingStandIn] = {
            "twilio": TwilioStandIn(ledger=self.ledger, place=self._place(config.twilio_port)),
            "telnyx": TelnyxStandIn(ledger=self.ledger, place=self._place(config.telnyx_port)),
        }
        self.phone = Phone(self.ledger, list(self.messaging.values()))
        self._stand_ins: dict[str, StandIn] = {"smtp": self.smtp, **self.messaging}
        self._http = HttpServer(self._routes())
        self.http_port = config.http_port

    @property
    def http_url(self) -> str:
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{self.http_port}"

    def facts(self) -> dict[str, object]:
        """What somebody who starts the sandbox needs to reach it."""
        return {
            "http_url": self.http_url,
            "http_port": self.http_port,
            "smtp_host": self.smtp.host,
            "smtp_port": self.smtp.port,
            **{f"{name}_url": stand_in.url for name, stand_in in self.messaging.items()},
        }

    async def start(self) -> None:
        """Listens on every port, or on none."""
        try:
            for name, stand_in in self._stand_ins.items():
                await _listen(stand_in.start(), f"--{name}-port")
            self.http_port = await _listen(
                self._http.start(host=self.config.host, port=self.config.http_port), "--http-port"
            )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await self._http.stop()
        for stand_in in self._stand_ins.values():
            await stand_in.stop()
        self.ledger.close()

    def _place(self, port: int) -> Place:
        return Place(self.config.host, port, self.config.webhooks_url.rstrip("/"))

    def _routes(self) -> list[Route]:
        routes = [route for stand_in in self._stand_ins.values() for route in stand_in.routes()]
        return [
            Route("GET", "/", _to_first_page),
            Route("GET", "/health", self._health),
            Route("GET", "/style.css", _style),
            *routes,
            *self.phone.routes(),
        ]

    async def _health(self, _request: Request) -> Response:
        stand_ins = {name: stand_in.health() for name, stand_in in self._stand_ins.items()}
        return json_response({"status": "ok", **stand_ins})


async def _listen(starting: Awaitable[T], option: str) -> T:
    try:
        return await starting
    except OSError as error:
        raise PortInUseError(
            f"Cannot listen: {error.strerror or error}. Choose another with {option}; 0 takes a free one."
        ) from error


async def _to_first_page(_request: Request) -> Response:
    return redirect("/smtp/")


async def _style(_request: Request) -> Response:
    return Response(files("sandbox").joinpath("style.css").read_bytes(), "text/css; charset=utf-8")
