"""The SMTP stand-in as one piece: its listener, its store, its behaviour, its addresses on the HTTP side."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sandbox.smtp.api import ControlApi
from sandbox.smtp.behaviour import Control
from sandbox.smtp.connection import SmtpConnection
from sandbox.smtp.pages import Pages
from sandbox.smtp.store import MessageStore
from sandbox.web import Route


class SmtpCatcher:
    """Belongs to one event loop."""

    def __init__(self, *, state_dir: Path, host: str, port: int) -> None:
        self.store = MessageStore(state_dir)
        self.control = Control()
        self.host = host
        self.port = port
        self._connections: set[SmtpConnection] = set()
        self._server: asyncio.Server | None = None

    def routes(self) -> Sequence[Route]:
        return [*ControlApi(self.store, self.control).routes(), *Pages(self.store, self.control).routes()]

    def health(self) -> dict[str, object]:
        return {"host": self.host, "port": self.port, "messages": len(self.store)}

    async def start(self) -> None:
        """After this `port` is the one that is listened on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self.host, self.port, backlog=512)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def _connection(self) -> SmtpConnection:
        return SmtpConnection(store=self.store, control=self.control, connections=self._connections)

    async def stop(self) -> None:
        """Ends every connection and lets go of the state directory."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            while self._connections:
                await asyncio.sleep(0)  # an aborted transport tells its protocol in the next turn of the loop
            await self._server.wait_closed()
        self.store.close()
